// The time range that every screen shares through the address bar.

export const RANGES = ["1h", "6h", "24h", "7d", "30d", "1y"] as const;
export type Range = (typeof RANGES)[number];
export const DEFAULT_RANGE: Range = "24h";

const HOUR = 3_600_000;
export const RANGE_MS: Record<Range, number> = {
  "1h": HOUR,
  "6h": 6 * HOUR,
  "24h": 24 * HOUR,
  "7d": 7 * 24 * HOUR,
  "30d": 30 * 24 * HOUR,
  "1y": 365 * 24 * HOUR,
};

export const isRange = (text: unknown): text is Range => RANGES.includes(text as Range);

/** The ranges of a page, by the name of its route: a year only where it is drawn from sums. */
export const rangesOf = (page: unknown): readonly Range[] => (page === "device" ? RANGES : RANGES.filter((range) => range !== "1y"));

export interface Bounds {
  from: string;
  to: string;
}
export type Look = "in" | "out" | "earlier" | "later";

/** The shortest stretch worth looking at. */
const SPAN_MIN = 10 * 60_000;

/** Half or double as much time around the same middle, or half a stretch to the side; never beyond now or a year. */
export function look(shown: Bounds, how: Look, now: number): Bounds {
  const [from, to] = [Date.parse(shown.from), Date.parse(shown.to)];
  const factor = how === "in" ? 0.5 : how === "out" ? 2 : 1;
  const span = Math.min(RANGE_MS["1y"], Math.max(SPAN_MIN, (to - from) * factor));
  const aside = how === "earlier" ? -span / 2 : how === "later" ? span / 2 : 0;
  const minute = 60_000;
  const end = Math.min((from + to) / 2 + span / 2 + aside, Math.ceil(now / minute) * minute);
  return { from: new Date(end - span).toISOString(), to: new Date(end).toISOString() };
}

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
