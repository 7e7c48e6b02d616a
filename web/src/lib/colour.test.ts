import { describe, expect, it } from "vitest";
import { BINS, binOf, niceStep, scaleOf } from "./colour";

describe("the colour scale of areas", () => {
  it("gives the worst value the most intense colour, whichever direction is worse", () => {
    const higherIsBetter = scaleOf([90, 95, 100], "higher");
    expect(binOf(90, higherIsBetter)).toBe(BINS - 1);
    expect(binOf(100, higherIsBetter)).toBe(0);
    const lowerIsBetter = scaleOf([0, 50, 100], "lower");
    expect(binOf(0, lowerIsBetter)).toBe(0);
    expect(binOf(100, lowerIsBetter)).toBe(BINS - 1);
  });
  it("does not invent differences that the printed numbers do not show", () => {
    const scale = scaleOf([98.51, 98.53], "higher", 1);
    expect(scale.edges).toEqual([]);
    expect(binOf(98.51, scale)).toBe(binOf(98.53, scale));
  });
  it("survives areas without values", () => {
    expect(scaleOf([null, null], "higher").edges).toEqual([]);
    expect(scaleOf([null, 3, null], "lower")).toMatchObject({ low: 3, high: 3, edges: [] });
  });
  it("divides on round numbers", () => {
    expect(niceStep(10, 5)).toBe(2);
    expect(niceStep(0.9, 5)).toBeCloseTo(0.2);
    expect(scaleOf([0, 10], "lower").edges).toEqual([2, 4, 6, 8]);
  });
});
