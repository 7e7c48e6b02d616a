// A patrol: points of a walk, kept on the phone only after its owner agreed. Pure: what a new point changes, how far, how long.
import type { Position, Problem } from "@/api/types";
import { metresBetween } from "./walk";

export type Point = [lon: number, lat: number, ms: number];

export interface Walk {
  key: string;
  account: string;
  points: Point[];
  /** null while it goes on. */
  ended_at: number | null;
  /** Why the server did not take it. */
  problem: Problem | null;
}

/** A place less sure than this says nothing about where somebody walked. */
const ACCURACY_M_MAX = 50;
/** Standing still is one point a minute, walking one every ten metres. */
const STEP_M = 10;
const STILL_MS = 60_000;
export const POINTS_MAX = 20_000;

/** The walk with the point, or the walk as it was when the point adds nothing. */
export function withPoint(walk: Walk, at: Position, accuracy: number, ms: number): Walk {
  const last = walk.points.at(-1);
  if (walk.ended_at !== null || accuracy > ACCURACY_M_MAX || walk.points.length >= POINTS_MAX || (last && ms <= last[2])) return walk;
  const near = last && metresBetween([last[0], last[1]], at) < STEP_M;
  if (near && ms - last[2] < STILL_MS) return walk;
  return { ...walk, points: [...walk.points, [at[0], at[1], ms]] };
}

export const walked = (points: Point[]): number =>
  points.slice(1).reduce((sum, point, i) => sum + metresBetween([points[i]![0], points[i]![1]], [point[0], point[1]]), 0);

export const lasted = (points: Point[]): number => (points.length > 1 ? points.at(-1)![2] - points[0]![2] : 0);
