import { expect, it } from "vitest";
import { bounds, isRange, look, rangesOf, sparkBounds } from "./range";

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
it("a year is offered only where it is drawn from sums", () => {
  expect(rangesOf("device")).toContain("1y");
  expect(rangesOf("indicator")).not.toContain("1y");
  expect(rangesOf("indicator")).toContain("30d");
});
it("looking closer halves the stretch around its middle, and later never goes beyond now", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  const day = { from: "2026-11-20T12:00:00.000Z", to: "2026-11-21T12:00:00.000Z" };
  expect(look(day, "in", now)).toEqual({ from: "2026-11-20T18:00:00.000Z", to: "2026-11-21T06:00:00.000Z" });
  expect(look(day, "earlier", now)).toEqual({ from: "2026-11-20T00:00:00.000Z", to: "2026-11-21T00:00:00.000Z" });
  expect(look(day, "later", now)).toEqual(day);
  expect(look(day, "out", now)).toEqual({ from: "2026-11-19T12:00:00.000Z", to: "2026-11-21T12:00:00.000Z" });
  let close = day;
  for (let step = 0; step < 20; step += 1) close = look(close, "in", now);
  expect(Date.parse(close.to) - Date.parse(close.from)).toBe(600_000);
});
