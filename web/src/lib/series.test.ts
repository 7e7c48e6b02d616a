import { describe, expect, it } from "vitest";
import { thin, uncertainSpans, withGaps } from "./series";

const point = (minute: number, coverage: number | null, value: number | null = 1) => ({
  t: new Date(minute * 60_000).toISOString(),
  value,
  coverage,
  readings: 1,
});

describe("a history", () => {
  it("is broken where windows are missing, not bridged", () => {
    const pairs = withGaps([0, 5, 20].map((minute) => ({ t: minute * 60_000, value: minute })), 5 * 60_000);
    expect(pairs).toEqual([[0, 0], [300_000, 5], [600_000, null], [1_200_000, 20]]);
  });
  it("is not broken by a window that comes a little late", () => {
    expect(withGaps([{ t: 0, value: 1 }, { t: 400_000, value: 2 }], 300_000)).toHaveLength(2);
  });
  it("joins neighbouring windows of poor coverage into one stretch", () => {
    const spans = uncertainSpans([point(0, 0.9), point(5, 0.5), point(10, 0.6), point(15, 0.95), point(20, 0.1)], 0.8, 300_000);
    expect(spans).toEqual([[300_000, 900_000], [1_200_000, 1_500_000]]);
  });
  it("is thinned to means, and an empty stretch stays empty", () => {
    const points = [point(0, 1, 2), point(1, 1, 4), point(2, 1, null), point(3, 1, null)];
    expect(thin(points, 2)).toEqual([3, null]);
  });
});
