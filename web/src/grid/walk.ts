// In which order a worker walks through the day's places. What is overdue or of the worst severity comes first, then the
// rest; within each the shortest way is looked for (nearest next, then untangled), from where the worker stands.
// Straight lines, no roads: a list to walk by, not a route planner. The same places give the same order.
import type { Position } from "@/api/types";

export interface Stop {
  id: string;
  position: Position | null;
  /** Overdue or of the worst severity: before everything else. */
  urgent: boolean;
  /** When its clock is due; decides among those without a place. */
  due: number;
}

export interface Leg<S extends Stop> {
  stop: S;
  /** Metres from the place before; null when either place is unknown. */
  metres: number | null;
}

const DEGREE_M = 111_195;

/** Metres between two places of one city. */
export function metresBetween(a: Position, b: Position): number {
  const middle = (((a[1] + b[1]) / 2) * Math.PI) / 180;
  return Math.hypot((a[0] - b[0]) * DEGREE_M * Math.cos(middle), (a[1] - b[1]) * DEGREE_M);
}

interface Placed<S> {
  stop: S;
  at: Position;
}

function nearestNext<S extends Stop>(places: Placed<S>[], from: Position): Placed<S>[] {
  const left = [...places];
  const order: Placed<S>[] = [];
  let here = from;
  while (left.length > 0) {
    let best = 0;
    for (let i = 1; i < left.length; i += 1) if (metresBetween(here, left[i]!.at) < metresBetween(here, left[best]!.at)) best = i;
    const [next] = left.splice(best, 1);
    order.push(next!);
    here = next!.at;
  }
  return order;
}

/** Turns stretches round as long as the way gets shorter. It ends anywhere. */
function untangled<S extends Stop>(order: Placed<S>[], from: Position): Placed<S>[] {
  const way = [...order];
  const at = (i: number): Position => (i < 0 ? from : way[i]!.at);
  for (let better = true; better; ) {
    better = false;
    for (let i = 0; i < way.length - 1; i += 1) {
      for (let k = i + 1; k < way.length; k += 1) {
        const before = metresBetween(at(i - 1), at(i)) + (k + 1 < way.length ? metresBetween(at(k), at(k + 1)) : 0);
        const after = metresBetween(at(i - 1), at(k)) + (k + 1 < way.length ? metresBetween(at(i), at(k + 1)) : 0);
        if (after < before - 0.01) {
          way.splice(i, k - i + 1, ...way.slice(i, k + 1).reverse());
          better = true;
        }
      }
    }
  }
  return way;
}

/** The way through all stops; those without a place come last in their group, the soonest due first. */
export function walkingOrder<S extends Stop>(stops: S[], from: Position | null): Leg<S>[] {
  const legs: Leg<S>[] = [];
  let here = from;
  for (const urgent of [true, false]) {
    const group = stops.filter((stop) => stop.urgent === urgent).sort((a, b) => a.due - b.due || a.id.localeCompare(b.id));
    const placed = group.flatMap((stop) => (stop.position ? [{ stop, at: stop.position }] : []));
    const start = here ?? placed[0]?.at ?? null;
    if (start) {
      for (const { stop, at } of untangled(nearestNext(placed, start), start)) {
        legs.push({ stop, metres: here ? metresBetween(here, at) : null });
        here = at;
      }
    }
    for (const stop of group) if (!stop.position) legs.push({ stop, metres: null });
  }
  return legs;
}

/** Metres of the whole way, as far as places are known. */
export const wholeWay = <S extends Stop>(legs: Leg<S>[]): number => legs.reduce((sum, leg) => sum + (leg.metres ?? 0), 0);
