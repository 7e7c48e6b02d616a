// The shapes of cases as the server answers them: states, steps, clocks, and the rarer facts that stand on record.
import type { Iso, Position, Severity, Text, Tier } from "./types";

export const BEFORE_FILING = ["reported", "accepted", "verified", "unverified"] as const;
export const IN_HAND = ["filed", "dispatched", "handling", "returned", "handled", "checking", "rework", "checked"] as const;
export const ASIDE = ["suspended", "merged"] as const;
export const ENDED = ["closed", "forced_closed", "not_accepted", "cancelled"] as const;
export type CaseState = (typeof BEFORE_FILING)[number] | (typeof IN_HAND)[number] | (typeof ASIDE)[number] | (typeof ENDED)[number];

/** Every step that can be asked of a case, in the order shown to people: the words of the server's commands. */
export const CASE_ACTIONS = [
  "accept",
  "verify_pass",
  "verify_fail",
  "file",
  "refuse",
  "dispatch",
  "start",
  "finish",
  "return",
  "take_check",
  "check_pass",
  "check_fail",
  "close",
  "force_close",
  "cancel",
  "ask_delay",
  "ask_suspend",
  "grant",
  "deny",
  "resume",
  "supervise",
  "urge",
  "hand_up",
  "hand_down",
  "hand_sideways",
  "admit",
  "involve",
  "start_part",
  "finish_part",
  "refuse_part",
  "drop_part",
  "dispute",
  "arbitrate",
  "appeal",
  "uphold_appeal",
  "reject_appeal",
  "grade",
  "report_up",
  "fire_plan",
  "stand_down",
  "merge",
  "unmerge",
  "join",
  "remark",
  "rate",
  "reopen",
] as const;
export type CaseAction = (typeof CASE_ACTIONS)[number];

export type Light = "green" | "yellow" | "red";
export type Stage = "accept" | "verify" | "file" | "dispatch" | "handle" | "review" | "check" | "close" | "follow";
export const LIMIT_UNITS = ["urgent_hour", "work_hour", "work_day", "natural_day"] as const;
export type LimitUnit = (typeof LIMIT_UNITS)[number];
export const EVENT_LEVELS = ["I", "II", "III", "IV"] as const;
export type EventLevel = (typeof EVENT_LEVELS)[number];

export interface CaseClock {
  stage: Stage;
  stage_name: Text;
  started_at: Iso;
  /** When 80 % of its time is used. */
  yellow_at: Iso;
  due_at: Iso;
  /** Such as `4 work_hour`; null when only the deadline is known. */
  limit: string | null;
  extended: number;
  used_share: number;
  light: Light;
}

/** A clock that has ended. */
export interface ClockRow {
  stage: Stage;
  stage_name: Text;
  agency: string | null;
  agency_name: Text | null;
  started_at: Iso;
  due_at: Iso;
  ended_at: Iso;
  used_ms: number;
  paused_ms: number;
  extended: number;
  overdue: boolean;
  excused: boolean;
}

export interface Petition {
  kind: "delay" | "suspend" | "dispute";
  by: string;
  at: Iso;
  reason: string;
  more: string | null;
  until: Iso | null;
  agency: string | null;
}

export interface CasePart {
  agency: string;
  agency_name: Text | null;
  task: string;
  clock: CaseClock;
  state: "waiting" | "working" | "done" | "refused";
  ended_at: Iso | null;
  overdue: boolean | null;
}

export interface Verdict {
  upheld: boolean;
  by: string;
  at: Iso;
}

export interface Appeal {
  stage: Stage;
  stage_name: Text;
  by: string;
  at: Iso;
  reason: string;
  due_at: Iso;
  first: Verdict | null;
  second: Verdict | null;
  open: boolean;
}

export interface ReportDue {
  form: "phone" | "written";
  form_name: Text;
  due_at: Iso;
  done_at: Iso | null;
}

export interface FiredPlan {
  id: string;
  by: string;
  at: Iso;
  level_before: Tier;
  agency_before: string | null;
}

export interface Admission {
  agency: string;
  by: string;
  at: Iso;
  reason: string;
}

export interface Circumstances {
  petition: Petition | null;
  /** Where a suspended or merged case stood before. */
  aside_state: CaseState | null;
  parts: CasePart[];
  admissions: Admission[];
  ruled_agency: string | null;
  appeals: Appeal[];
  event_level: EventLevel | null;
  reports: ReportDue[];
  plan: FiredPlan | null;
  parent: string | null;
  stars: number | null;
  checker: string | null;
  verified: boolean | null;
}

export const PHOTO_KINDS = ["far", "near", "reference", "before", "after"] as const;
export type PhotoKind = (typeof PHOTO_KINDS)[number];

/** A photo that goes with a step; the picture was sent before. */
export interface StepPhoto {
  kind: PhotoKind;
  hash: string;
  at: Iso | null;
  position: Position | null;
}

/** A plan that may be fired for a case. */
export interface CasePlan {
  id: string;
  name: Text;
  pack: string;
  level: Tier;
  lead_kind: string | null;
  limit: string;
  fires_at: EventLevel | null;
  source: string;
}

export interface CasePhoto {
  kind: PhotoKind;
  kind_name: Text;
  hash: string;
  at: Iso | null;
  position: Position | null;
}

export interface CaseEvent {
  seq: number;
  at: Iso;
  kind: string;
  name: Text;
  actor: string;
  actor_agency: string | null;
  from: CaseState | null;
  to: CaseState;
  note: string | null;
  agency: string | null;
  agency_name: Text | null;
  level: Tier;
  used_ms: number | null;
  overdue: boolean | null;
  photos: CasePhoto[];
}

export interface CaseRow {
  index: number;
  condition: Text;
  closes: Text;
  limit: string;
  source: string | null;
}

export interface Case {
  id: string;
  /** Number of its newest event. */
  seq: number;
  type: string;
  type_name: Text;
  class: string | null;
  severity: Severity;
  title: Text;
  description: string | null;
  row: CaseRow | null;
  state: CaseState;
  state_name: Text;
  area: string;
  area_name: string;
  path: string;
  position: Position | null;
  agency: string | null;
  agency_name: Text | null;
  level: Tier;
  holder: { role: string; agency: string | null; area: string };
  filed_at: Iso;
  filed_by: string;
  reported_at: Iso | null;
  due_at: Iso | null;
  /** The deadline as it was first promised. */
  first_due_at: Iso | null;
  overdue: boolean;
  clock: CaseClock | null;
  closed_at: Iso | null;
  on_time: boolean | null;
  warning: string | null;
  source: string;
  external: string | null;
  returns: number;
  reworks: number;
  delays: number;
  urges: number;
  supervisions: number;
  joined: number;
  reopens: number;
  circumstances: Circumstances;
  simulated: boolean;
  actions: CaseAction[];
}

/** A case with its history. */
export interface CaseDetail extends Case {
  events: CaseEvent[];
  clocks: ClockRow[];
  /** Open cases that were merged into this one. */
  children: string[];
}

/** What is said along with a step. */
export interface CaseRequest {
  note?: string;
  reason?: string;
  agency?: string;
  level?: string;
  area?: string;
  type?: string;
  row?: number;
  limit?: string;
  until?: Iso;
  event_level?: EventLevel;
  form?: string;
  plan?: string;
  other?: string;
  stage?: string;
  stars?: number;
  photos?: StepPhoto[];
}
