import { describe, expect, it } from "vitest";
import { cellText, chartOf, EXAMPLES, pastQuestions, rememberQuestion, TABLES, type SqlAnswer } from "./sql";

const answer = (columns: [string, SqlAnswer["columns"][number]["type"]][], rows: SqlAnswer["rows"]): SqlAnswer => ({
  columns: columns.map(([name, type]) => ({ name, type })),
  rows,
  row_count: rows.length,
  cut: false,
});

function memory(): Storage {
  const items = new Map<string, string>();
  return {
    get length() {
      return items.size;
    },
    clear: () => items.clear(),
    getItem: (key) => items.get(key) ?? null,
    key: (index) => [...items.keys()][index] ?? null,
    removeItem: (key) => void items.delete(key),
    setItem: (key, value) => void items.set(key, value),
  };
}

describe("the picture of an answer", () => {
  it("with a time column it is a line a text, in order of time", () => {
    const chart = chartOf(
      answer([["time", "time"], ["district", "text"], ["mean", "number"]], [
        ["2026-11-21T01:00:00Z", "甲", 2],
        ["2026-11-21T00:00:00Z", "甲", 1],
        ["2026-11-21T00:00:00Z", "乙", null],
      ]),
    );
    expect(chart?.kind).toBe("line");
    expect(chart?.series.map((line) => line.name)).toEqual(["甲", "乙"]);
    expect(chart?.series[0]?.points.map((point) => point[1])).toEqual([1, 2]);
  });
  it("without a time column it is bars, a row a bar", () => {
    const chart = chartOf(answer([["kind", "text"], ["n", "integer"]], [["methane", 3], ["level", 5]]));
    expect(chart).toEqual({ kind: "bar", labels: ["methane", "level"], series: [{ name: "n", points: [["methane", 3], ["level", 5]] }] });
  });
  it("a number can name the bars of another", () => {
    expect(chartOf(answer([["hour", "number"], ["mean", "number"]], [[0, 1], [1, 2]]))?.labels).toEqual(["0", "1"]);
  });
  it("without numbers or rows there is none", () => {
    expect(chartOf(answer([["kind", "text"]], [["a"]]))).toBeNull();
    expect(chartOf(answer([["n", "integer"]], []))).toBeNull();
  });
});

describe("the person's own questions", () => {
  it("the newest comes first and each once", () => {
    const storage = memory();
    rememberQuestion("a", "SELECT 1", storage);
    rememberQuestion("a", "SELECT 2", storage);
    expect(rememberQuestion("a", " SELECT 1 ", storage)).toEqual(["SELECT 1", "SELECT 2"]);
    expect(pastQuestions("b", storage)).toEqual([]);
  });
  it("what is not a list is forgotten", () => {
    const storage = memory();
    storage.setItem("chengmai.sql.a", "{broken");
    expect(pastQuestions("a", storage)).toEqual([]);
  });
});

it("a value shows ten digits at most and an empty one nothing", () => {
  expect(cellText(0.1 + 0.2, "number")).toBe("0.3");
  expect(cellText(12345678901234, "integer")).toBe("12345678901234");
  expect(cellText(null, "text")).toBe("");
});

it("every example names a table that there is", () => {
  for (const { sql } of EXAMPLES) {
    const tables = [...sql.matchAll(/(?:FROM|JOIN)\s+([a-z]+)/g)].map((match) => match[1] ?? "");
    expect(tables.length).toBeGreaterThan(0);
    for (const table of tables) expect(Object.keys(TABLES)).toContain(table);
  }
});
