// The shapes that the server's HTTP interface answers with; those of cases in case-types.ts, of devices in device-types.ts,
// of alarm quality in alarms.ts. Times are RFC 3339 UTC strings; durations are whole milliseconds (`*_ms`).
import type { Screened } from "./alarms";
import type { CaseAction, CaseRow, PhotoKind } from "./case-types";

export type * from "./case-types";
export type * from "./device-types";

export type Text = { zh: string; en: string };
export type Position = [lon: number, lat: number];
export type Severity = 0 | 1 | 2 | 3 | 4;
export type Tier = "city" | "district" | "town" | "community" | "grid" | (string & {});
export type Iso = string;

export interface List<T> {
  items: T[];
  next_cursor: string | null;
  total: number;
}

export interface Problem {
  type?: string;
  title?: string;
  status: number;
  code?: string;
  detail?: string;
  text?: Text;
  hint?: Text;
  /** Where in a text that was sent, both counted from 1. */
  place?: { line: number; column: number };
}

export type Permission =
  | "read"
  | "warning_decide"
  | "alarm_shelve"
  | "case_decide"
  | "case_handle"
  | "case_check"
  | "device_manage"
  | "user_manage"
  | "notify_manage"
  | "log_witness"
  | "propose"
  | "report"
  | "personal_read"
  | "personal_erase"
  | "export"
  | "emergency"
  | "emergency_review"
  | "audit_read"
  | "sql"
  | "rule_manage"
  | "review_write"
  | "ingest"
  | "area_manage";

export interface User {
  name: string;
  display_name: string;
  roles: string[];
  area: string;
  area_name: string;
  tier: Tier;
  agency: string | null;
  permissions: Permission[];
  second_factor: boolean;
  /** A second factor must be set up before anything else. */
  must_enrol: boolean;
  /** Number of the access in an emergency that is used. */
  emergency: number | null;
}

/** An account as the administrator lists it. */
export interface Account {
  second_factor: boolean;
  /** It is linked to a person of the identity provider. */
  linked: boolean;
  name: string;
  display_name: string;
  roles: string[];
  area: string;
  agency: string | null;
}

export interface NewUser {
  name: string;
  display_name: string;
  password: string;
  roles: string[];
  area: string;
  agency: string | null;
}

export interface City {
  name: Text;
  root: string;
  time_zone: string;
  tiers: { id: Tier; name: Text }[];
  sections: { id: string; name: Text }[];
  severities: { severity: Severity; name: Text; color: string }[];
  simulated: boolean;
  /** What people call the identity provider; null: there is none. */
  provider: string | null;
  version: string;
}

export interface AreaRef {
  code: string;
  name: string;
  tier: Tier;
}

export interface Area extends AreaRef {
  parent: string | null;
  center: Position | null;
  generated: boolean;
  valid_from: string | null;
  valid_to: string | null;
  children: number;
  shape: "official" | "generated" | "none";
  note: string | null;
  ancestors?: AreaRef[];
}

export interface ShapeProperties {
  code: string;
  name: string;
  tier: Tier;
  role: "outline" | "child";
  generated: boolean;
  center: Position | null;
}

export interface Shapes {
  type: "FeatureCollection";
  features: { type: "Feature"; geometry: GeoJSON.Geometry | null; properties: ShapeProperties }[];
}

export interface IndicatorValue {
  indicator: string;
  area: string;
  value: number | null;
  coverage: number | null;
  uncertain: boolean;
  severity: Severity;
  window_start: Iso | null;
  window_end: Iso | null;
  readings: number;
  previous: number | null;
}

export interface AreaValue extends IndicatorValue {
  name: string;
  role?: "parent" | "child";
}

export interface Levels {
  blue: number | null;
  yellow: number | null;
  orange: number | null;
  red: number | null;
  hysteresis: number | null;
}

export interface Indicator {
  code: string;
  name: Text;
  pack: string;
  section: string;
  track: Text | null;
  unit: string;
  better: "higher" | "lower" | "band";
  formula: string;
  window_ms: number;
  tiers: Tier[];
  levels: Levels | null;
  coverage_min: number;
  owner: string | null;
  source: string | null;
  decimals: number;
  value: IndicatorValue | null;
}

export interface HistoryPoint {
  t: Iso;
  value: number | null;
  coverage: number | null;
  readings: number;
}

export interface History {
  unit: string;
  points: HistoryPoint[];
}

export interface SourceReading {
  device: string;
  kind: string;
  unit: string;
  value: number | null;
  at: Iso | null;
  area: string;
  area_name: string;
  simulated: boolean;
}

export interface Kind {
  id: string;
  name: Text;
  unit: string;
  range: [number, number] | null;
  pack: string;
  decimals: number;
}

export type WarningState = "raised" | "confirmed" | "dismissed" | "filed" | "cleared";

export interface Warning extends Screened {
  id: string;
  rule: string;
  rule_name: Text;
  pack: string;
  severity: Severity;
  peak_severity: Severity;
  label: Text;
  area: string;
  area_name: string;
  path: string;
  subject: { kind: "device" | "indicator" | "group"; id: string };
  position: Position | null;
  value: number | null;
  unit: string;
  kind: string | null;
  state: WarningState;
  raised_at: Iso;
  changed_at: Iso;
  answer_due: Iso | null;
  escalated_to: Tier | null;
  answered_by: string | null;
  answered_at: Iso | null;
  note: string | null;
  case: string | null;
  cleared_at: Iso | null;
  proposes: string | null;
  simulated: boolean;
  evidence: { device: string; kind: string; value: number; at: Iso }[];
}

export interface Rate {
  numerator: number;
  denominator: number;
  rate: number | null;
}

export interface CaseSummary {
  open: number;
  overdue: number;
  due_soon: number;
  closed: number;
  on_time: Rate;
  by_state: { state: string; name: Text; count: number }[];
  by_type: { type: string; name: Text; open: number; closed: number }[];
}

export interface CaseType {
  id: string;
  name: Text;
  pack: string;
  class: string | null;
  lead_kind: string | null;
  rows: CaseRow[];
  /** Kinds of photos that a step needs, each with time and place, by the word of the step. */
  photos: Partial<Record<CaseAction, PhotoKind[]>>;
  /** The plan that is fired when none is named. */
  plan: string | null;
}

export interface Agency {
  id: string;
  name: Text;
  area: string;
  area_name: string;
  kind: string;
  person?: string | null;
}

export interface Rating {
  agency: string;
  name: Text;
  area_name: string;
  score: number | null;
  closed: number;
  open: number;
  open_overdue: number;
  on_time: Rate;
  rework: Rate;
  count: number;
}

export interface Ratings extends List<Rating> {
  formula: Text;
}

export interface PackCounts {
  kinds: number;
  indicators: number;
  rules: number;
  case_types: number;
  scenarios: number;
}

export interface Pack {
  id: string;
  version: string;
  name: Text;
  section: string;
  track: Text | null;
  counts: PackCounts;
  layers: { id: string; name: Text; kind: string; color: string; symbol: string }[];
}

export interface PackRule {
  id: string;
  name: Text;
  on: string;
  when: string;
  grades: { severity: Severity; when: string }[];
  files: string | null;
  source: string | null;
}

/** As written in the pack: lengths of time are its own text, `5m`. */
export interface PackIndicator {
  code: string;
  name: Text;
  unit: string;
  formula: string;
  window: string;
  source: string | null;
}

export interface PackKind {
  id: string;
  name: Text;
  unit: string;
  range: [number, number] | null;
  period: string | null;
  source: string | null;
}

export interface PackDetail extends Pack {
  kinds: PackKind[];
  indicators: PackIndicator[];
  rules: PackRule[];
  case_types: CaseType[];
  readme: string;
}

export interface SystemState {
  readings_per_second: number;
  readings_total: number;
  refused_total: number;
  refused: { reason: string; code: string; name: Text; count: number }[];
  devices: number;
  online: number;
  streams: number;
  journal_bytes: number;
  started_at: Iso;
  taking_readings: boolean;
  stopped_reason: string | null;
  mqtt: { listen: string | null; connections: number };
  http: string;
  version: string;
}

export interface Tick {
  at: Iso;
  readings_per_second: number;
  online: number;
  /** Open warnings by severity 1..4. */
  open_warnings: [number, number, number, number];
  unanswered: number;
  open_cases: number;
  overdue_cases: number;
}
