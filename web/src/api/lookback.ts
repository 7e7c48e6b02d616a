// Looking back: rules tried on the past, incidents told, tasks that came of them.
import { keepPreviousData, useQuery } from "@tanstack/vue-query";
import { computed, toValue, type MaybeRefOrGetter } from "vue";
import { api, segment } from "./client";
import type { Case, Iso, List, Position, Severity, Text, Warning } from "./types";

export interface RuleFields {
  when: string;
  clear: string | null;
  on_for: string | null;
  clear_for: string | null;
  need: string | null;
  healthy: boolean;
  grades: { severity: number; when: string }[];
}

export interface RuleText {
  pack: string;
  id: string;
  name: Text;
  kind: string;
  text: string;
  fields: RuleFields;
  own_text: string | null;
  changes: { at: Iso; by: string; backtest: string; reason: string | null; journal_sequence: number | null }[];
}

export interface RuleCheck {
  text: string;
  rule: string | null;
  fields: RuleFields | null;
  faults: { line: number; what: Text; fix: Text }[];
}

export type BySeverity = [number, number, number, number];

/** Warnings inside an area, and the most in one hour. */
export interface AreaCount {
  area: string;
  name: string;
  tier: string;
  by_severity: BySeverity;
  hour_peak: number;
}

export interface Side {
  alarms: number;
  warnings: number;
  by_severity: BySeverity;
  hours: { at: Iso; by_severity: BySeverity }[];
  areas: AreaCount[];
  busiest: { area: string; name: string; warnings: number; per_hour: number; slot_peak: number; flood_share: number } | null;
  floods: boolean;
  caught: number;
  stray: number;
}

export interface BacktestResult {
  streams: number;
  readings: number;
  told_from: Iso | null;
  told_to: Iso | null;
  asked: number;
  before: Side | null;
  after: Side;
  incidents: { id: string; at: Iso; area: string; area_name: string; before_ms: number | null; after_ms: number | null }[];
  untold: number;
  goal: { per_hour_goal: number; per_hour_max: number; flood_per_slot: number; flood_share_max: number };
}

export interface Backtest {
  id: string;
  pack: string;
  rule: string;
  area: string;
  from: Iso;
  to: Iso;
  state: "waiting" | "running" | "done" | "cancelled" | "failed";
  progress: number;
  readings: number;
  result: BacktestResult | null;
}

export interface Moment {
  at: Iso;
  kind: string;
  name: Text | null;
  who: string | null;
  tier: string | null;
  note: string | null;
  value: number | null;
}

export interface Task {
  id: number;
  incident: string;
  area_name: string;
  text: string;
  agency: string | null;
  agency_name: Text | null;
  person: string | null;
  due_at: Iso;
  overdue: boolean;
  done_at: Iso | null;
  done_by: string | null;
  evidence: string | null;
  mine: boolean;
}

export interface Review {
  id: string;
  warning: Warning | null;
  case: Case | null;
  area: string;
  area_name: string;
  from: Iso;
  to: Iso;
  timeline: Moment[];
  findings: { id: number; at: Iso; by: string; cause: string; text: string }[];
  tasks: Task[];
  may_write: boolean;
  rule: string | null;
}

/** An incident that was looked back on, as a list shows it. */
export interface ReviewHead {
  id: string;
  title: Text;
  severity: Severity;
  area_name: string;
  at: Iso;
  findings: number;
  tasks: number;
  open_tasks: number;
  due_at: Iso | null;
  overdue: boolean;
  simulated: boolean;
}

export interface CityThen {
  at: Iso;
  area: string;
  area_name: string;
  indicators: { code: string; name: Text; unit: string; decimals: number; value: number | null }[];
  warnings: { id: string; rule_name: Text; severity: Severity; area_name: string; position: Position | null; answered: boolean; simulated: boolean }[];
  cases: { id: string; title: Text; severity: Severity; state_name: Text; area_name: string; simulated: boolean }[];
  readings: { device: string; kind: string; unit: string; value: number; at: Iso }[];
}

type In<V> = MaybeRefOrGetter<V>;

export const useRule = (pack: In<string>, rule: In<string>) =>
  useQuery({
    queryKey: computed(() => ["rule", toValue(pack), toValue(rule)]),
    queryFn: ({ signal }) =>
      api.get<RuleText>(`/rules/${segment(toValue(pack))}/${segment(toValue(rule))}`, {}, signal),
  });

export const useBacktest = (id: In<string>) =>
  useQuery({
    queryKey: computed(() => ["backtest", toValue(id)]),
    queryFn: ({ signal }) => api.get<Backtest>(`/backtests/${segment(toValue(id))}`, {}, signal),
    enabled: () => toValue(id) !== "",
    refetchInterval: (query) => (query.state.data && !["waiting", "running"].includes(query.state.data.state) ? false : 700),
  });

export const useReview = (id: In<string>) =>
  useQuery({
    queryKey: computed(() => ["review", toValue(id)]),
    queryFn: ({ signal }) => api.get<Review>(`/reviews/${segment(toValue(id))}`, {}, signal),
    enabled: () => toValue(id) !== "",
  });

export const useReviews = (area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["reviews", toValue(area)]),
    queryFn: ({ signal }) => api.get<List<ReviewHead>>("/reviews", { area: toValue(area), limit: 1000 }, signal),
    refetchInterval: 60_000,
  });

export const useTasks = (filter: In<{ area: string; state: string; mine: boolean | "" }>) =>
  useQuery({
    queryKey: computed(() => ["tasks", toValue(filter)]),
    queryFn: ({ signal }) => api.get<List<Task>>("/tasks", toValue(filter), signal),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });

export const useMoment = (id: In<string>, at: In<string>) =>
  useQuery({
    queryKey: computed(() => ["review", toValue(id), "moment", toValue(at)]),
    queryFn: ({ signal }) => api.get<CityThen>(`/reviews/${segment(toValue(id))}/moment`, { at: toValue(at) }, signal),
    enabled: () => toValue(at) !== "",
    placeholderData: keepPreviousData,
  });

export const useMyTasks = () =>
  useQuery({
    queryKey: ["tasks", "mine"],
    queryFn: ({ signal }) => api.get<List<Task>>("/tasks", { mine: true }, signal),
    refetchInterval: 60_000,
  });
