import { expect, it } from "vitest";
import { toCsv } from "./csv";

it("a cell with commas, quotes or line ends is quoted", () => {
  expect(toCsv(["a", "b"], [["1,2", 'say "so"'], ["x\ny", null]])).toBe('a,b\r\n"1,2","say ""so"""\r\n"x\ny",');
});
it("text that a spreadsheet would run as a formula is disarmed, numbers stay numbers", () => {
  expect(toCsv(["a", "b"], [["=cmd()", -2.5]])).toBe("a,b\r\n'=cmd(),-2.5");
});
