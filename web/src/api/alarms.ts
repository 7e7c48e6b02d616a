// The shapes of alarm quality and shelves, as types.ts has the others.
import type { Iso, Severity, Text, Tier } from "./types";

/** How a warning is screened. */
export interface Screened {
  /** Why it is not shown, and the warning or shelf behind that; null when it is. */
  held: { reason: "parent" | "shelf" | "group"; by: string } | null;
  reopened: number;
  chattering: boolean;
  stale: boolean;
}

export type AlarmVerdict = "good" | "fair" | "poor" | "too_few";

export interface AlarmFigure {
  kind: string;
  value: number;
  goal: number;
  verdict: AlarmVerdict;
}

/** What one centre had to bear, or all together. */
export interface CentreLoad {
  area: string;
  area_name: string;
  shown: number;
  peak_hour: number;
  floods: number;
  flood_minutes: number;
  in_flood: boolean;
  figures: AlarmFigure[];
}

export interface RuleLoad {
  rule: string;
  name: Text;
  shown: number;
  share: number;
  alarms: number;
  alarms_shown: number;
  under_parent: number;
  shelved: number;
  collapsed: number;
  chattering: number;
}

export interface AlarmQuality {
  from: Iso;
  to: Iso;
  operator: Tier;
  cut_short: boolean;
  shelf_hours_max: number;
  total: CentreLoad;
  centres: CentreLoad[];
  rules: RuleLoad[];
  alarms: { raised: number; shown: number; under_parent: number; shelved: number; collapsed: number };
}

/** Something taken off the screens for a while. */
export interface Shelf {
  id: string;
  rule: string | null;
  rule_name: Text | null;
  area: string;
  area_name: string;
  device: string | null;
  severity_max: Severity;
  since: Iso;
  until: Iso;
  by: string;
  reason: string;
  holds: number;
  may_end: boolean;
}
