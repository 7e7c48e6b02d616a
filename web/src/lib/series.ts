// Points of a history made ready for a line: where a window is missing the line is broken, never bridged.
import type { HistoryPoint } from "@/api/types";

export type Pair = [time: number, value: number | null];

/** Inserts an empty point wherever the distance between two windows is more than one and a half windows. */
export function withGaps(points: { t: number; value: number | null }[], windowMs: number): Pair[] {
  const pairs: Pair[] = [];
  let last: number | null = null;
  for (const { t, value } of points) {
    if (last !== null && windowMs > 0 && t - last > windowMs * 1.5) pairs.push([last + windowMs, null]);
    pairs.push([t, value]);
    last = t;
  }
  return pairs;
}

/** Stretches in which too few devices reported for the number to be trusted. */
export function uncertainSpans(points: HistoryPoint[], coverageMin: number, windowMs: number): [number, number][] {
  const spans: [number, number][] = [];
  for (const point of points) {
    if (point.coverage === null || point.coverage >= coverageMin) continue;
    const start = Date.parse(point.t);
    const end = start + windowMs;
    const last = spans.at(-1);
    if (last && start - last[1] <= windowMs * 0.5) last[1] = end;
    else spans.push([start, end]);
  }
  return spans;
}

/** At most `count` points: the mean of each bucket, a bucket without values stays empty. For sparklines only. */
export function thin(points: HistoryPoint[], count: number): (number | null)[] {
  if (points.length <= count) return points.map((point) => point.value);
  const size = points.length / count;
  return Array.from({ length: count }, (_, i) => {
    const part = points.slice(Math.floor(i * size), Math.floor((i + 1) * size)).flatMap((p) => p.value ?? []);
    return part.length === 0 ? null : part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
