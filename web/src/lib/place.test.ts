import { expect, it } from "vitest";
import { shortPath } from "./place";

const PATH = "重庆市 / 渝中区 / 七星岗街道 / 华一坡社区 / 第一网格";

it("a place is told in the two steps below the area on screen", () => {
  expect(shortPath(PATH, 1)).toBe("渝中区 / 七星岗街道");
  expect(shortPath(PATH, 2)).toBe("七星岗街道 / 华一坡社区");
  expect(shortPath(PATH, 4)).toBe("第一网格");
});
it("in the area itself its own name is left", () => {
  expect(shortPath(PATH, 5)).toBe("第一网格");
  expect(shortPath("重庆市", 1)).toBe("重庆市");
});
