import { describe, expect, it } from "vitest";
import { isUnanswered, mergeOpen, replaceById } from "./live";
import type { Warning } from "./types";

const warning = (id: string, changes: Partial<Warning> = {}): Warning =>
  ({ id, severity: 2, state: "raised", answered_at: null, cleared_at: null, ...changes }) as Warning;
const batch = (...items: Warning[]): Map<string, Warning> => new Map(items.map((item) => [item.id, item]));

describe("the unanswered warnings after a batch", () => {
  it("a new one joins at the end, so that nothing moves under the reader", () => {
    expect(mergeOpen([warning("a")], batch(warning("b"))).map((item) => item.id)).toEqual(["a", "b"]);
  });
  it("an answered or cleared one leaves", () => {
    const left = mergeOpen(
      [warning("a"), warning("b"), warning("c")],
      batch(warning("a", { state: "confirmed", answered_at: "2026-11-21T00:00:00Z" }), warning("c", { cleared_at: "2026-11-21T00:00:00Z" })),
    );
    expect(left.map((item) => item.id)).toEqual(["b"]);
  });
  it("a warning that is already answered when first heard of never joins", () => {
    expect(mergeOpen([], batch(warning("x", { state: "filed" })))).toEqual([]);
  });
  it("nothing changed means the very same list", () => {
    const items = [warning("a")];
    expect(mergeOpen(items, batch())).toBe(items);
    expect(replaceById(items, batch(warning("z")))).toBe(items);
  });
  it("a changed grade is taken over in place", () => {
    expect(replaceById([warning("a"), warning("b")], batch(warning("a", { severity: 4 })))[0]?.severity).toBe(4);
  });
});

it("a warning counts as unanswered only while raised and not cleared", () => {
  expect(isUnanswered(warning("a"))).toBe(true);
  expect(isUnanswered(warning("a", { state: "confirmed" }))).toBe(false);
  expect(isUnanswered(warning("a", { held: { reason: "parent", by: "b" } }))).toBe(false);
  expect(isUnanswered(warning("a", { cleared_at: "2026-11-21T00:00:00Z" }))).toBe(false);
});
