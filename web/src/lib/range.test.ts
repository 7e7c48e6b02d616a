import { expect, it } from "vitest";
import { bounds, isRange, sparkBounds } from "./range";

it("bounds are whole minutes, so that a query keeps its answer for a minute", () => {
  const a = bounds("1h", Date.parse("2026-11-21T03:04:05.678Z"));
  const b = bounds("1h", Date.parse("2026-11-21T03:04:59.000Z"));
  expect(a).toEqual({ from: "2026-11-21T02:05:00.000Z", to: "2026-11-21T03:05:00.000Z" });
  expect(b).toEqual(a);
});
it("a sparkline never asks for more than a day, and keeps its answer for five minutes", () => {
  const early = sparkBounds("30d", Date.parse("2026-11-21T03:01:00Z"));
  expect(early).toEqual({ from: "2026-11-20T03:05:00.000Z", to: "2026-11-21T03:05:00.000Z" });
  expect(sparkBounds("30d", Date.parse("2026-11-21T03:04:59Z"))).toEqual(early);
  expect(Date.parse(sparkBounds("1h", 0).to) - Date.parse(sparkBounds("1h", 0).from)).toBe(3_600_000);
});
it("an unknown range in the address is not a range", () => {
  expect(isRange("24h")).toBe(true);
  expect(isRange("99y")).toBe(false);
});
