// The time range that every screen shares through the address bar.

export const RANGES = ["1h", "6h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];
export const DEFAULT_RANGE: Range = "24h";

const HOUR = 3_600_000;
export const RANGE_MS: Record<Range, number> = {
  "1h": HOUR,
  "6h": 6 * HOUR,
  "24h": 24 * HOUR,
  "7d": 7 * 24 * HOUR,
  "30d": 30 * 24 * HOUR,
};

export const isRange = (text: unknown): text is Range => RANGES.includes(text as Range);

/** The bounds of a sparkline: a day at most, moving in steps of five minutes, so that it is asked for rarely. */
export function sparkBounds(range: Range, now: number): { from: string; to: string } {
  const step = 5 * 60_000;
  const to = Math.ceil(now / step) * step;
  return { from: new Date(to - Math.min(RANGE_MS[range], RANGE_MS["24h"])).toISOString(), to: new Date(to).toISOString() };
}

/** From and to, rounded outwards to whole minutes, so that a query keeps its cache for a minute. */
export function bounds(range: Range, now: number): { from: string; to: string } {
  const minute = 60_000;
  const to = Math.ceil(now / minute) * minute;
  return { from: new Date(to - RANGE_MS[range]).toISOString(), to: new Date(to).toISOString() };
}
