import { expect, it } from "vitest";
import { lasted, walked, withPoint, type Walk } from "./patrol";

const begun: Walk = { key: "k", account: "me", points: [[106.57, 29.56, 1_000]], ended_at: null, problem: null };

it("a place that is not sure, too near, or after the end adds nothing", () => {
  expect(withPoint(begun, [106.58, 29.56], 80, 2_000)).toBe(begun);
  expect(withPoint(begun, [106.570_01, 29.56], 5, 2_000)).toBe(begun);
  const ended = { ...begun, ended_at: 2_000 };
  expect(withPoint(ended, [106.58, 29.56], 5, 3_000)).toBe(ended);
});

it("standing still is noted once a minute, and lengthens nothing", () => {
  const stood = withPoint(begun, [106.57, 29.56], 5, 61_000);
  expect(stood.points.length).toBe(2);
  expect(walked(stood.points)).toBe(0);
  expect(lasted(stood.points)).toBe(60_000);
});

it("a step of a hundred metres is a hundred metres", () => {
  expect(walked(withPoint(begun, [106.57, 29.5609], 5, 90_000).points)).toBeCloseTo(100, 0);
});
