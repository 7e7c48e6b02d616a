import { describe, expect, it } from "vitest";
import { afterSent, asLeft, asRemark, begin, counts, heldBehind, mayDrop, meaning, nextOf, pendingOf, requestOf, tryAgain, withoutPlace, type Deed, type DeedKind } from "./queue";

const NOW = "2026-11-22T01:02:03.000Z";
const text = { zh: "燃气泄漏", en: "Gas leak" };
const deed = (key: string, n: number, kind: DeedKind = "verify_pass", caseId: string | null = "c1", more: Partial<Deed> = {}): Deed => ({
  ...begin({ kind, case_id: caseId, title: text, words: "", type: null, area: "500103", position: null, photos: [], seen: 3 }, "me", key, n, NOW),
  ...more,
});

describe("what is sent next", () => {
  it("is the oldest, whatever order they lie in", () => {
    expect(nextOf([deed("b", 2, "remark", "c2"), deed("a", 1)], "me")?.key).toBe("a");
  });
  it("is nobody else's", () => {
    expect(nextOf([deed("a", 1, "verify_pass", "c1", { account: "other" })], "me")).toBeNull();
  });
  it("passes over a case with a refusal, and goes on with the others", () => {
    const deeds = [deed("a", 1, "verify_pass", "c1", { state: "refused" }), deed("b", 2, "remark", "c1"), deed("c", 3, "remark", "c2")];
    expect(nextOf(deeds, "me")?.key).toBe("c");
    expect(heldBehind(deeds, deeds[1]!)).toBe(true);
    expect(heldBehind(deeds, deeds[2]!)).toBe(false);
  });
  it("keeps the order of a case when one of its deeds is put off", () => {
    const deeds = [deed("a", 1), deed("b", 2, "remark"), deed("c", 3, "remark", "c2")];
    expect(nextOf(deeds, "me", new Set(["a"]))?.key).toBe("c");
  });
  it("does not let two reports wait for each other", () => {
    const deeds = [deed("a", 1, "report", null, { state: "refused" }), deed("b", 2, "report", null)];
    expect(nextOf(deeds, "me")?.key).toBe("b");
  });
});

describe("what an answer means", () => {
  it("only a numbered refusal is one", () => {
    expect(meaning({ status: 0 })).toBe("no_network");
    expect(meaning({ status: 401, code: "E-501" })).toBe("signed_out");
    expect(meaning({ status: 409, code: "E-429" })).toBe("refused");
    expect(meaning({ status: 404, code: "E-204" })).toBe("refused");
    expect(meaning({ status: 404 })).toBe("later");
    expect(meaning({ status: 429, code: "E-602" })).toBe("later");
    expect(meaning({ status: 503, code: "E-601" })).toBe("later");
  });
  it("a step that was taken is known to the later ones of its case and to no other", () => {
    const deeds = [deed("a", 1, "take_check"), deed("b", 2, "check_pass"), deed("c", 3, "check_pass", "c2")];
    const after = afterSent(deeds, "a", { id: "c1", seq: 4 }, NOW);
    expect(after.map(({ state, seen }) => [state, seen])).toEqual([["sent", 3], ["waiting", 4], ["waiting", 3]]);
  });
  it("a report gets its number", () => {
    expect(afterSent([deed("a", 1, "report", null)], "a", { id: "500103-1", seq: 1 }, NOW)[0]?.case_id).toBe("500103-1");
  });
  it("what was being sent when the page ended waits again under its own key", () => {
    expect(asLeft([deed("a", 1, "verify_pass", "c1", { state: "sending" })])[0]).toMatchObject({ key: "a", state: "waiting" });
  });
});

describe("what may become of a refusal", () => {
  const refused = deed("a", 1, "check_pass", "c1", {
    state: "refused", words: "已修好", problem: { status: 409, code: "E-429" },
    standing: { seq: 9, state: "handled", state_name: text, actions: ["check_pass"], last: null },
  });
  it("tried again it is the same deed that knows how the case stands now", () => {
    expect(tryAgain(refused)).toMatchObject({ key: "a", state: "waiting", seen: 9, words: "已修好", problem: null });
  });
  it("as a remark it keeps words, photos and place in the order, under a key of its own", () => {
    const photo = { id: "p", kind: "near" as const, at: NOW, position: null, hash: "0".repeat(64) };
    const remark = asRemark({ ...refused, photos: [photo] }, "b", "核查通过");
    expect(remark).toMatchObject({ key: "b", n: 1, kind: "remark", case_id: "c1", words: "核查通过：已修好", photos: [{ ...photo, hash: null }] });
    expect(requestOf(remark)).toMatchObject({ path: "/cases/c1/remark", body: { note: "核查通过：已修好" } });
    expect(requestOf(remark).body).not.toHaveProperty("seen");
  });
  it("a report outside the area keeps its place in words", () => {
    const moved = withoutPlace(deed("r", 1, "report", null, { words: "垃圾", position: [106.5, 29.5], state: "refused" }));
    expect(requestOf(moved).body).toMatchObject({ area: "500103", description: "垃圾 (106.50000, 29.50000)" });
    expect(moved.key).toBe("r");
  });
});

it("only what certainly was not taken may be taken back", () => {
  expect(mayDrop(deed("a", 1))).toBe(true);
  expect(mayDrop(deed("a", 1, "verify_pass", "c1", { tried: true }))).toBe(false);
  expect(mayDrop(deed("a", 1, "verify_pass", "c1", { tried: true, state: "refused" }))).toBe(true);
  expect(mayDrop(deed("a", 1, "verify_pass", "c1", { tried: true, state: "sent" }))).toBe(false);
});

describe("what is asked of the server", () => {
  it("a failed check says why, a passed one may say something", () => {
    expect(requestOf(deed("a", 1, "check_fail", "c1", { words: " 仍在漏 " })).body).toEqual({ reason: "仍在漏", seen: 3, photos: [] });
    expect(requestOf(deed("a", 1, "check_pass", "c1", { words: "好" })).body).toEqual({ note: "好", seen: 3, photos: [] });
  });
  it("is the same every time it is sent", () => {
    const one = deed("a", 1, "report", null, { words: "井盖", type: "cover", position: [106.5, 29.5] });
    expect(JSON.stringify(requestOf(one))).toBe(JSON.stringify(requestOf({ ...one, state: "sending" })));
  });
});

it("counts what waits and what was refused, of one account", () => {
  const deeds = [deed("a", 1), deed("b", 2, "remark", "c2", { state: "refused" }), deed("c", 3, "remark", "c3", { state: "sent" }), deed("d", 4, "remark", "c4", { account: "x" })];
  expect(counts(deeds, "me")).toEqual({ waiting: 1, refused: 1 });
  expect(pendingOf(deeds, "c1", "me")?.key).toBe("a");
});
