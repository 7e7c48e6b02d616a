// The shapes of devices, their streams and imports, as the server answers; read through types.ts.
import type { Iso, Position, Severity, Text } from "./types";

export type DeviceStatus = "online" | "offline" | "fault" | "never";

/** From which level on a device warns, by severity. */
export interface OwnLevels {
  blue: number | null;
  yellow: number | null;
  orange: number | null;
  red: number | null;
}

export interface DeviceStream {
  kind: string;
  kind_name: Text;
  unit: string;
  value: number | null;
  at: Iso | null;
  severity: Severity;
  /** Null when no rule of the kind asks for levels of single devices. */
  setpoints: OwnLevels | null;
}

export interface Device {
  id: string;
  name: string | null;
  area: string;
  area_name: string;
  path: string;
  position: Position | null;
  agency: string | null;
  period_ms: number;
  simulated: boolean;
  status: DeviceStatus;
  fault: null | "stuck" | "out_of_range";
  registered_at: Iso | null;
  streams: DeviceStream[];
}

export interface Observations {
  items: { kind: string; at: Iso; value: number }[];
  units: Record<string, string>;
}

/** A chart of one stream: readings where they are few (`step_ms` 0), else their sums. */
export interface Series {
  kind: string;
  unit: string;
  step_ms: number;
  points: { at: Iso; value: number; min: number; max: number; last: number; readings: number }[];
}

/** A reading that was replaced, or withdrawn (`new` null). */
export interface Correction {
  id: number;
  at: Iso;
  by: string;
  device: string;
  kind: string;
  area: string;
  reading_at: Iso;
  old: number;
  new: number | null;
  reason: string;
}

export interface CorrectionReport {
  corrected: number;
  withdrawn: number;
  history_only: number;
  refused: { line: number; code: string; reason: Text; detail: string }[];
}

export interface DeviceSummary {
  total: number;
  online: number;
  offline: number;
  never: number;
  fault: number;
  by_kind: { kind: string; name: Text; total: number; online: number }[];
}

export interface SetpointReport {
  set: number;
  refused: { line: number; code: string; reason: Text; detail: string }[];
}

export interface ImportReport {
  registered?: number;
  updated?: number;
  imported?: number;
  refused: { line: number; code: string; reason: Text }[];
}
