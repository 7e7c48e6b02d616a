import { describe, expect, it } from "vitest";
import { formatBytes, formatChange, formatDuration, formatLimit, formatQuantity, formatRelative, formatShare, formatSpanText, formatTotal, unitSign } from "./format";

describe("quantities", () => {
  it("a percent sign touches its number and other units keep a space", () => {
    expect(formatQuantity(98.54, "%", 1)).toBe("98.5%");
    expect(formatQuantity(2.4, "%LEL", 1)).toBe("2.4\u00a0%LEL");
    expect(formatQuantity(15, "°", 0)).toBe("15°");
  });
  it("a missing value is a dash and carries no unit", () => {
    expect(formatQuantity(null, "MPa", 2)).toBe("—");
    expect(formatQuantity(Number.NaN, "MPa", 2)).toBe("—");
    expect(formatShare(null)).toBe("—");
  });
  it("a bare reading gets no more figures than it can know", () => {
    expect(formatQuantity(0.31234, "MPa")).toBe("0.312\u00a0MPa");
    expect(formatQuantity(148.26, "cm")).toBe("148\u00a0cm");
  });
  it("units are kept as UCUM and read as people write them", () => {
    expect(["ug/m3", "mg/m3", "m3/h", "Cel", "deg", "%LEL", "MPa", "mm/h", "dB", "mg/L", "1"].map(unitSign)).toEqual([
      "µg/m³", "mg/m³", "m³/h", "°C", "°", "%LEL", "MPa", "mm/h", "dB", "mg/L", "",
    ]);
    expect(formatQuantity(18.5, "Cel", 1)).toBe("18.5°C");
  });
  it("thousands are grouped", () => {
    expect(formatQuantity(148200311, "", 0, "en")).toBe("148,200,311");
    expect(formatBytes(4.2e9)).toBe("4.2\u00a0GB");
  });
});

describe("changes", () => {
  it("carry a true minus sign and vanish when they round to nothing", () => {
    expect(formatChange(-0.44, 1)).toBe("−0.4");
    expect(formatChange(1.25, 1)).toBe("+1.3");
    expect(formatChange(0.04, 1)).toBe("±0");
  });
});

describe("times", () => {
  const now = Date.parse("2026-11-21T03:00:00Z");
  it("are told relative to now in both languages", () => {
    expect(formatRelative("2026-11-21T02:57:00Z", now, "zh")).toBe("3分钟前");
    expect(formatRelative("2026-11-21T05:00:00Z", now, "en")).toBe("in 2 hr");
    expect(formatRelative("2026-11-21T02:59:58Z", now, "zh")).toBe("刚刚");
  });
  it("a duration keeps its two largest parts", () => {
    expect(formatDuration(7_500_000)).toBe("2小时5分钟");
    expect(formatDuration(90_061_000, "en")).toBe("1 d 1 h");
    expect(formatDuration(42_000, "en")).toBe("42 s");
    expect(formatDuration(-120_000, "zh")).toBe("2分钟");
  });
  it("a pack's own spans are spelled out", () => {
    expect(formatSpanText("5m")).toBe("5分钟");
    expect(formatSpanText("24h", "en")).toBe("1 d");
    expect(formatSpanText("a while")).toBe("a while");
  });
  it("limits of the filing standard are spelled out, unknown ones left alone", () => {
    expect(formatLimit("1 urgent_hour")).toBe("1紧急工作时");
    expect(formatLimit("5 work_day", "en")).toBe("5 working days");
    expect(formatLimit("1 work_hour", "en")).toBe("1 working hour");
    expect(formatLimit("by agreement", "en")).toBe("by agreement");
  });
});

describe("how long a list is", () => {
  it("is exact up to ten thousand, and beyond only that it is more", () => {
    expect([formatTotal(0), formatTotal(9_999), formatTotal(10_000)]).toEqual(["0", "9,999", "10,000"]);
    expect([formatTotal(10_001), formatTotal(10_001, "en")]).toEqual(["10,000+", "10,000+"]);
  });
});
