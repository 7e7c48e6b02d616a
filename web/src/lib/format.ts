// Numbers, units, times and durations as people read them. Pure functions: the moment "now" is always an argument.

export type Lang = "zh" | "en";
/** Every language under its own name, so that its readers find it whatever is on screen. */
export const LANGUAGE_NAMES: Record<Lang, string> = { zh: "中文", en: "English" };
export const intlLocale = (lang: Lang): string => (lang === "zh" ? "zh-CN" : "en-GB");

const numberFormats = new Map<string, Intl.NumberFormat>();

function numberFormat(lang: Lang, decimals: number): Intl.NumberFormat {
  const key = `${lang}/${decimals}`;
  let format = numberFormats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(intlLocale(lang), {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    numberFormats.set(key, format);
  }
  return format;
}

export const NO_VALUE = "—";

/** A number with a fixed count of decimals, or a dash when there is none. */
export function formatNumber(value: number | null | undefined, decimals = 0, lang: Lang = "zh"): string {
  return value === null || value === undefined || !Number.isFinite(value)
    ? NO_VALUE
    : numberFormat(lang, decimals).format(value);
}

/** Long lists are counted no further; the server says one more than this then. */
const COUNTED_MAX = 10_000;

/** How long a list is: exactly, or "10,000+" where nobody counted further. */
export const formatTotal = (total: number, lang: Lang = "zh"): string =>
  total > COUNTED_MAX ? `${formatNumber(COUNTED_MAX, 0, lang)}+` : formatNumber(total, 0, lang);

/** How many decimals a bare reading deserves when no definition says so: three significant figures, three at most. */
export function sensibleDecimals(value: number | null | undefined): number {
  const size = Math.abs(value ?? 0);
  if (size === 0 || size >= 100 || Number.isInteger(value)) return 0;
  if (size >= 10) return 1;
  return size >= 1 ? 2 : 3;
}

/** Units are kept as UCUM writes them; these are the signs that people expect to read. */
const UNIT_SIGNS: Record<string, string> = {
  "1": "",
  Cel: "°C",
  deg: "°",
  "[pH]": "pH",
  "[ppm]": "ppm",
  uS: "µS",
};

export function unitSign(unit: string): string {
  const known = UNIT_SIGNS[unit];
  if (known !== undefined) return known;
  return unit.replace(/^u(?=[gmLs]\b|S)/, "µ").replace(/(?<=[a-zA-Z])([23])(?=$|\/)/g, (power) => (power === "2" ? "²" : "³"));
}

/** What stands between a number and its unit: nothing before % and degree signs, else a space that does not break. */
export function unitGap(unit: string): string {
  return unit === "%" || unit === "‰" || unit.startsWith("°") ? "" : "\u00a0";
}

export function formatQuantity(
  value: number | null | undefined,
  unit: string,
  decimals = sensibleDecimals(value),
  lang: Lang = "zh",
): string {
  const text = formatNumber(value, decimals, lang);
  const sign = unitSign(unit);
  return text === NO_VALUE || sign === "" ? text : `${text}${unitGap(sign)}${sign}`;
}

/** A share 0..1 as a percentage. */
export function formatShare(share: number | null | undefined, decimals = 0, lang: Lang = "zh"): string {
  return share === null || share === undefined ? NO_VALUE : `${formatNumber(share * 100, decimals, lang)}%`;
}

/** "+0.4" with a true minus sign; the sign says the direction, never the judgement. */
export function formatChange(change: number, decimals: number, lang: Lang = "zh"): string {
  const text = formatNumber(Math.abs(change), decimals, lang);
  if (Number(Math.abs(change).toFixed(decimals)) === 0) return "±0";
  return change > 0 ? `+${text}` : `−${text}`;
}

export function formatBytes(bytes: number, lang: Lang = "zh"): string {
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${formatNumber(value, unit === 0 || value >= 100 ? 0 : 1, lang)}\u00a0${units[unit]}`;
}

/** "3 minutes ago", "in 2 hours". */
export function formatRelative(iso: string, now: number, lang: Lang = "zh"): string {
  const delta = Date.parse(iso) - now;
  const size = Math.abs(delta);
  if (size < 5_000) return lang === "zh" ? "刚刚" : "just now";
  const steps: [Intl.RelativeTimeFormatUnit, number, number][] = [
    ["second", 1_000, 60_000],
    ["minute", 60_000, 3_600_000],
    ["hour", 3_600_000, 86_400_000],
    ["day", 86_400_000, 30 * 86_400_000],
    ["month", 30 * 86_400_000, 365 * 86_400_000],
    ["year", 365 * 86_400_000, Number.POSITIVE_INFINITY],
  ];
  const [unit, length] = steps.find(([, , limit]) => size < limit) ?? ["year", 365 * 86_400_000];
  const count = Math.trunc(delta / length);
  return new Intl.RelativeTimeFormat(intlLocale(lang), { numeric: "always", style: "short" }).format(count, unit);
}

/** The whole moment, in the city's own time zone, to the second. */
export function formatAbsolute(iso: string, timeZone: string, lang: Lang = "zh"): string {
  return new Intl.DateTimeFormat(intlLocale(lang), {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(new Date(iso));
}

export function formatClock(iso: string | number, timeZone: string, lang: Lang = "zh", seconds = false): string {
  return new Intl.DateTimeFormat(intlLocale(lang), {
    timeZone,
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" as const } : {}),
    hourCycle: "h23",
  }).format(new Date(iso));
}

const DURATION_WORDS = {
  zh: { d: "天", h: "小时", m: "分钟", s: "秒", join: "" },
  en: { d: " d", h: " h", m: " min", s: " s", join: " " },
} as const;

/** The two largest parts of a length of time: "2 小时 5 分钟" is written 2小时5分钟, "2 h 5 min". */
export function formatDuration(ms: number, lang: Lang = "zh"): string {
  const words = DURATION_WORDS[lang];
  const seconds = Math.max(0, Math.floor(Math.abs(ms) / 1000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3_600);
  const minutes = Math.floor((seconds % 3_600) / 60);
  const parts: string[] = [];
  if (days) parts.push(`${days}${words.d}`);
  if (hours) parts.push(`${hours}${words.h}`);
  if (minutes && !days) parts.push(`${minutes}${words.m}`);
  if (parts.length === 0) parts.push(`${seconds % 60}${words.s}`);
  return parts.slice(0, 2).join(words.join);
}

const SPAN_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A length of time as packs write it, `5m`, in words. What is written otherwise is shown as it is. */
export function formatSpanText(text: string, lang: Lang = "zh"): string {
  const match = /^\s*(\d+)\s*([smhd])\s*$/.exec(text);
  return match ? formatDuration(Number(match[1]) * (SPAN_MS[match[2] ?? ""] ?? 0), lang) : text;
}

const LIMIT_UNITS: Record<string, { zh: string; en: [string, string] }> = {
  urgent_minute: { zh: "紧急工作分钟", en: ["urgent minute", "urgent minutes"] },
  work_minute: { zh: "工作分钟", en: ["working minute", "working minutes"] },
  urgent_hour: { zh: "紧急工作时", en: ["urgent hour", "urgent hours"] },
  work_hour: { zh: "工作时", en: ["working hour", "working hours"] },
  work_day: { zh: "工作日", en: ["working day", "working days"] },
  natural_day: { zh: "自然日", en: ["calendar day", "calendar days"] },
};

/** "1 urgent_hour" of the filing standard, in words. Unknown units are shown as they are. */
export function formatLimit(limit: string, lang: Lang = "zh"): string {
  const match = /^\s*([\d.]+)\s+([a-z_]+?)s?\s*$/.exec(limit);
  const unit = match ? LIMIT_UNITS[match[2] ?? ""] : undefined;
  if (!match || !unit) return limit;
  const count = match[1] ?? "";
  return lang === "zh" ? `${count}${unit.zh}` : `${count} ${unit.en[count === "1" ? 0 : 1]}`;
}
