import { describe, expect, it } from "vitest";
import { CASE_ACTIONS, type CaseAction, type CaseDetail, type CaseState } from "@/api/case-types";
import { appealable, arrange, clockAt, emptyDraft, endOfDay, fieldsOf, isComplete, lackingPhotos, photoKind, requestOf, wayOf, wordsAsked } from "./case";

const complete = (action: CaseAction, state: CaseState, draft: Partial<ReturnType<typeof emptyDraft>>): boolean =>
  isComplete(action, state, { ...emptyDraft(), ...draft }, wordsAsked(action, state));
const request = (action: CaseAction, state: CaseState, draft: Partial<ReturnType<typeof emptyDraft>>) =>
  requestOf(action, state, { ...emptyDraft(), ...draft }, wordsAsked(action, state));

describe("what a step asks for", () => {
  it("a reason where the table asks for one, and for accepting or filing only what was not found on site", () => {
    for (const action of ["refuse", "cancel", "deny", "grade", "merge", "hand_up"] as const) expect(wordsAsked(action, "filed")).toBe("reason");
    expect([wordsAsked("accept", "reported"), wordsAsked("accept", "unverified")]).toEqual(["note_optional", "reason"]);
    expect([wordsAsked("file", "verified"), wordsAsked("file", "unverified")]).toEqual(["note_optional", "reason"]);
    expect(complete("cancel", "filed", { words: "  " })).toBe(false);
    expect(complete("cancel", "filed", { words: "重复" })).toBe(true);
  });
  it("filing cites a type and a row, and the first row has the number nought", () => {
    expect(complete("file", "verified", { type: "gas_leak" })).toBe(false);
    expect(complete("file", "verified", { type: "gas_leak", row: 0 })).toBe(true);
    expect(request("file", "verified", { type: "gas_leak", row: 0 })).toEqual({ type: "gas_leak", row: 0 });
  });
  it("a delay is a whole number of units above nought", () => {
    for (const amount of [null, 0, -1, 1.5]) expect(complete("ask_delay", "handling", { words: "雨", amount })).toBe(false);
    expect(request("ask_delay", "handling", { words: " 雨 ", amount: 2, unit: "work_day" })).toEqual({ reason: "雨", limit: "2 work_day" });
  });
  it("a suspension needs its day, a level its step, a merge its other case, a rating its stars", () => {
    expect(complete("ask_suspend", "handling", { words: "等料" })).toBe(false);
    expect(complete("ask_suspend", "handling", { words: "等料", until: "2026-11-30T15:59:59.000Z" })).toBe(true);
    expect(complete("grade", "filed", { words: "伤亡" })).toBe(false);
    expect(request("grade", "filed", { words: "伤亡", event_level: "II" })).toEqual({ reason: "伤亡", event_level: "II" });
    expect(complete("merge", "filed", { words: "同一处" })).toBe(false);
    expect(complete("rate", "closed", {})).toBe(false);
    expect(request("rate", "closed", { stars: 4 })).toEqual({ stars: 4 });
  });
  it("sideways goes to an agency only once one has it, and then to an agency or a centre, not both", () => {
    expect(fieldsOf("hand_sideways", "filed")).toEqual(["area_beside"]);
    const said = { words: "属邻区" };
    expect(complete("hand_sideways", "filed", said)).toBe(false);
    expect(complete("hand_sideways", "filed", { ...said, area: "500105" })).toBe(true);
    expect(complete("hand_sideways", "dispatched", { ...said, area: "500105", agency: "x" })).toBe(false);
    expect(complete("hand_sideways", "dispatched", { ...said, agency: "x" })).toBe(true);
  });
  it("nothing is sent that the step does not ask for", () => {
    const everything = { words: "到场", agency: "x", area: "5", level: "city", type: "t", row: 1, amount: 3, plan: "p", other: "o", stage: "handle", stars: 5 };
    expect(request("start", "dispatched", everything)).toEqual({ note: "到场" });
    expect(request("involve", "handling", everything)).toEqual({ note: "到场", agency: "x", limit: "3 work_day" });
  });
});

describe("the order of steps", () => {
  it("the next usual step is first, its alternatives beside it, the rest in groups", () => {
    const order = arrange(["verify_fail", "verify_pass", "urge", "hand_up", "cancel"]);
    expect(order.next).toBe("verify_pass");
    expect(order.beside).toEqual(["verify_fail"]);
    expect(order.groups.map((group) => group.name)).toEqual(["time", "centres", "other"]);
  });
  it("every step has a place, unless it is an answer that stands beside what it answers", () => {
    const { next, beside, groups } = arrange([...CASE_ACTIONS]);
    const placed = [next, ...beside, ...groups.flatMap((group) => group.actions)];
    expect(CASE_ACTIONS.filter((action) => !placed.includes(action))).toEqual(
      ["grant", "deny", "arbitrate", "uphold_appeal", "reject_appeal", "report_up", "stand_down", "unmerge"],
    );
    expect(new Set(placed).size).toBe(placed.length);
  });
});

describe("clocks and places", () => {
  const clock = { started_at: "2026-11-20T08:00:00Z", yellow_at: "2026-11-23T02:00:00Z", due_at: "2026-11-23T03:00:00Z" };
  it("a clock over a weekend turns yellow when the server says, not at 80 % of the wall clock", () => {
    expect(clockAt(clock, Date.parse("2026-11-22T20:00:00Z")).light).toBe("green");
    expect(clockAt(clock, Date.parse("2026-11-23T02:00:00Z"))).toMatchObject({ light: "yellow", used: 0.8 });
    expect(clockAt(clock, Date.parse("2026-11-23T03:00:00Z")).light).toBe("yellow");
    expect(clockAt(clock, Date.parse("2026-11-23T03:00:01Z"))).toMatchObject({ light: "red", used: 1 });
  });
  it("what lies aside stands where it stood before", () => {
    expect(wayOf("suspended", "handling")).toMatchObject({ here: 2, aside: true });
    expect(wayOf("merged", "accepted")).toMatchObject({ here: 1, steps: ["reported", "accepted", "verified", "filed"] });
    expect(wayOf("checking", null)).toMatchObject({ here: 3, aside: false });
    expect(wayOf("forced_closed", null).here).toBe(5);
  });
  it("a breach can be appealed against once, by the agency whose it was", () => {
    const row = (stage: string, agency: string, overdue: boolean) => ({ stage, agency, overdue });
    const item = {
      clocks: [row("handle", "x", true), row("handle", "x", true), row("check", "y", true), row("dispatch", "x", false)],
      circumstances: { appeals: [] },
    } as unknown as CaseDetail;
    expect(appealable(item, "x").map((found) => found.stage)).toEqual(["handle"]);
    expect(appealable(item, null)).toEqual([]);
    const appealed = { ...item, circumstances: { appeals: [{ stage: "handle" }] } } as unknown as CaseDetail;
    expect(appealable(appealed, "x")).toEqual([]);
  });
  it("a review day ends at midnight of the city, also where clocks change", () => {
    expect(endOfDay("2026-11-30", "Asia/Shanghai")).toBe("2026-11-30T15:59:59.000Z");
    expect(endOfDay("2026-11-01", "America/New_York")).toBe("2026-11-02T04:59:59.000Z");
    expect(endOfDay("", "Asia/Shanghai")).toBe("");
  });
});

describe("photos of a step", () => {
  const at = "2026-11-22T01:00:00.000Z";
  it("are asked for where somebody stands before something, and where the case type needs them", () => {
    expect([photoKind("finish", [], []), photoKind("verify_pass", [], [])]).toEqual(["after", "near"]);
    expect([photoKind("close", [], []), photoKind("dispatch", [], [])]).toEqual([null, null]);
    expect(photoKind("close", ["far"], [])).toBe("far");
    expect(photoKind("finish", ["before", "after"], [{ kind: "before" }])).toBe("after");
  });
  it("prove something only with time and place", () => {
    const photo = { kind: "after" as const, hash: "aa", at, position: null };
    expect(lackingPhotos(["after"], [photo])).toEqual(["after"]);
    expect(lackingPhotos(["after"], [{ ...photo, position: [106.5, 29.5] }])).toEqual([]);
    expect(lackingPhotos(["before", "after"], [{ ...photo, position: [106.5, 29.5] }])).toEqual(["before"]);
  });
});
