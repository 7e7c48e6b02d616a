// The shapes of evaluations and stars, as types.ts has the others, and the questions about them.
import { keepPreviousData, useQuery } from "@tanstack/vue-query";
import { computed, toValue, type MaybeRefOrGetter } from "vue";
import { api, type Params } from "./client";
import type { Iso, List, Text } from "./types";

export interface Share {
  numerator: number;
  denominator: number;
  /** null: there is nothing to take a share of. */
  value: number | null;
}

export interface Figure extends Share {
  formula: string;
  /** As if no appeal had been upheld. */
  raw: Share;
}

export interface ScorePart {
  name: Text;
  points: number | null;
  full: number;
  measured: number | null;
  figure: Figure | null;
}

export interface Score {
  total: number | null;
  known: number;
  grade: { id: string; name: Text; color: string } | null;
  parts: ScorePart[];
}

export interface EvaluationRow {
  id: string;
  name: Text;
  figures: Figure[];
  mean_handling_ms: number | null;
  score: Score | null;
}

export interface FormulaInfo {
  id: string;
  name: Text;
  meaning: Text;
  higher_is_better: boolean;
}

export interface Evaluation extends List<EvaluationRow> {
  object: string;
  period: string;
  from: Iso;
  to: Iso;
  seen_at: Iso;
  simulated: boolean;
  composite: { id: string; name: Text; source: string } | null;
  formulas: FormulaInfo[];
}

export interface CaseBehind {
  id: string;
  title: Text;
  state: string;
  state_name: Text;
  area: string;
  area_name: string;
  agency: string | null;
  agency_name: Text | null;
  /** The agency does a part of it; what follows is of that part. */
  is_part: boolean;
  handle_due_at: Iso | null;
  handled_at: Iso | null;
  breached: boolean;
  excused: boolean;
  simulated: boolean;
}

export interface StarPlace {
  best_outer: number;
  best_upper: number;
  middle: number;
  last_upper: number;
  last_outer: number;
  rate: number;
  interval: [number, number];
  rank: number;
}

export interface AreaStars {
  area: string;
  name: string;
  path: string;
  stars: number | null;
  lack: string | null;
  lack_text: Text | null;
  peers: number;
  on_time: Share;
  expected: number;
  place: StarPlace | null;
  needed: [number | null, number | null];
}

export interface StarList extends List<AreaStars> {
  tier: string;
  seen_at: Iso;
  simulated: boolean;
  rules: { certainty: number; outer: number; interval: number; cases_max: number; months_max: number; source: string };
}

type In<V> = MaybeRefOrGetter<V>;

export const useEvaluation = (filter: In<Params>) =>
  useQuery({
    queryKey: computed(() => ["evaluation", "rows", toValue(filter)]),
    queryFn: ({ signal }) => api.get<Evaluation>("/evaluation", { limit: 1000, ...toValue(filter) }, signal),
    placeholderData: keepPreviousData,
  });

export const useCasesBehind = (filter: In<Params>) =>
  useQuery({
    queryKey: computed(() => ["evaluation", "cases", toValue(filter)]),
    queryFn: ({ signal }) => api.get<List<CaseBehind>>("/evaluation/cases", { limit: 200, ...toValue(filter) }, signal),
  });

export const useStars = (filter: In<Params>, enabled: In<boolean>) =>
  useQuery({
    queryKey: computed(() => ["evaluation", "stars", toValue(filter)]),
    queryFn: ({ signal }) => api.get<StarList>("/stars", toValue(filter), signal),
    enabled: () => toValue(enabled),
    placeholderData: keepPreviousData,
  });
