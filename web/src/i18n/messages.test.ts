import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "./en";
import zh from "./zh";

type Tree = { [key: string]: string | Tree };

function flat(tree: Tree, prefix = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "string") all.set(prefix + key, value);
    else for (const [inner, text] of flat(value, `${prefix}${key}.`)) all.set(inner, text);
  }
  return all;
}

const chinese = flat(zh as unknown as Tree);
const english = flat(en as unknown as Tree);
const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "").sort();

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(vue|ts)$/.test(entry.name) && !entry.name.endsWith(".test.ts"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}

describe("the words of the screens", () => {
  it("both languages have the same keys, and none is empty", () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort());
    for (const text of [...chinese.values(), ...english.values()]) expect(text.trim()).not.toBe("");
  });
  it("both languages fill in the same values", () => {
    for (const [key, text] of chinese) expect([key, holes(english.get(key) ?? "")]).toEqual([key, holes(text)]);
  });
  it("no Chinese is left in the English", () => {
    for (const [key, text] of english) expect([key, /\p{Script=Han}/u.test(text)]).toEqual([key, false]);
  });
  it("Chinese sentences use Chinese punctuation", () => {
    for (const [key, text] of chinese) expect([key, /\p{Script=Han}[,;:?!]/u.test(text)]).toEqual([key, false]);
  });
  it("every key that a screen asks for exists", () => {
    const asked = sources(join(import.meta.dirname, "..")).flatMap((text) =>
      [...text.matchAll(/\bt\(\s*"([\w.]+)"/g)].map((match) => match[1] ?? ""),
    );
    expect(asked.length).toBeGreaterThan(150);
    expect(asked.filter((key) => !chinese.has(key))).toEqual([]);
  });
  it("every family of keys that a screen puts together exists", () => {
    const families = sources(join(import.meta.dirname, "..")).flatMap((text) =>
      [...text.matchAll(/\bt\(\s*`([\w.]+?)\$\{/g)].map((match) => match[1] ?? ""),
    );
    expect(families.length).toBeGreaterThan(10);
    for (const family of families) expect([family, [...chinese.keys()].some((key) => key.startsWith(family))]).toEqual([family, true]);
  });
});
