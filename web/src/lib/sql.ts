// Questions in SQL: what the page knows of tables, answers and its own past questions. No screen.
import type { Lang } from "./format";
import examples from "./sql-examples.json";

export type Cell = string | number | boolean | null;
export type ColumnType = "text" | "integer" | "number" | "boolean" | "time" | "other";

export interface Column {
  name: string;
  type: ColumnType;
}

export interface SqlAnswer {
  columns: Column[];
  rows: Cell[][];
  row_count: number;
  cut: boolean;
}

export interface Example {
  zh: string;
  en: string;
  sql: string;
}

/** The queries that teach; the guide holds the same, and a test of the server runs them. */
export const EXAMPLES: Example[] = examples;
export const exampleName = (example: Example, lang: Lang): string => example[lang];

/** Tables and columns, for completion and for the list beside the editor. */
export const TABLES: Record<string, string[]> = {
  readings: ["device", "kind", "area", "at", "value", "received_at", "area_name", "district"],
  windows: ["indicator", "area", "tier", "start", "value", "coverage", "readings", "area_name", "district"],
  areas: ["code", "name", "tier", "parent", "path", "district", "town", "community", "note"],
  devices: ["id", "name", "area", "area_name", "agency", "kinds", "longitude", "latitude", "simulated", "registered_at"],
  kinds: ["id", "name_zh", "name_en", "unit", "lowest", "highest", "pack"],
  indicators: ["code", "name_zh", "name_en", "unit", "pack"],
};

/** The words of the language that can be used here; no more, so that a column called `value` is none of them. */
export const DIALECT = {
  keywords:
    "all and as asc between by case cast cross describe desc distinct else end except exists explain analyze extract false filter first following for from full group grouping having in inner intersect interval is join last left like ilike limit natural not null nulls offset on or order outer over partition preceding range recursive right rollup row rows select sets show tables columns then true unbounded union using values when where window with within at time zone",
  types: "bigint boolean date double float int integer interval real smallint text timestamp timestamptz varchar",
  builtin:
    "abs approx_distinct approx_median approx_percentile_cont array_agg avg ceil coalesce concat corr count date_bin date_part date_trunc first_value floor generate_series greatest lag last_value lead least length lower max median min now nullif power rank round row_number split_part sqrt starts_with stddev string_agg strpos substr sum to_char trim upper var",
};

const PAST_MAX = 30;
const pastKey = (user: string): string => `chengmai.sql.${user}`;

/** The person's own questions on this computer, newest first. */
export function pastQuestions(user: string, storage: Storage = localStorage): string[] {
  try {
    const list: unknown = JSON.parse(storage.getItem(pastKey(user)) ?? "[]");
    return Array.isArray(list) ? list.filter((item): item is string => typeof item === "string") : [];
  } catch {
    // Somebody else wrote there; it is no loss.
    return [];
  }
}

/** The question once more at the head of the list; the list as it is now. */
export function rememberQuestion(user: string, sql: string, storage: Storage = localStorage): string[] {
  const text = sql.trim();
  const list = [text, ...pastQuestions(user, storage).filter((past) => past !== text)].slice(0, PAST_MAX);
  try {
    storage.setItem(pastKey(user), JSON.stringify(list));
  } catch {
    // A full or forbidden storage only costs the memory of it.
  }
  return list;
}

export interface Series {
  name: string;
  points: [x: number | string, y: number | null][];
}

export interface Chart {
  kind: "line" | "bar";
  /** Names of the bars, in their order; a line has times instead. */
  labels: string[];
  series: Series[];
}

const SERIES_MAX = 12;
const BARS_MAX = 60;
const isNumber = (column: Column): boolean => column.type === "integer" || column.type === "number";

/** What an answer looks like as a picture: lines over a time column, else bars over the first text. None without numbers. */
export function chartOf(answer: SqlAnswer): Chart | null {
  const { columns, rows } = answer;
  const time = columns.findIndex((column) => column.type === "time");
  const text = columns.findIndex((column) => column.type === "text");
  const numbers = columns.flatMap((column, index) => (isNumber(column) ? [index] : []));
  if (rows.length === 0 || numbers.length === 0) return null;
  if (time >= 0) {
    const series = linesOf(answer, time, text, numbers);
    return series.length > 0 ? { kind: "line", labels: [], series } : null;
  }
  const few = rows.slice(0, BARS_MAX);
  // Without a text, the first number names the bars if there is another one to draw.
  const label = text >= 0 ? text : numbers.length > 1 ? (numbers.shift() ?? -1) : -1;
  const labels = few.map((row, index) => (label >= 0 ? String(row[label] ?? "") : String(index + 1)));
  const series = numbers.slice(0, SERIES_MAX).map((index) => ({
    name: columns[index]?.name ?? "",
    points: few.map((row, place): [string, number | null] => [labels[place] ?? "", numberOf(row[index])]),
  }));
  return { kind: "bar", labels, series };
}

function linesOf({ columns, rows }: SqlAnswer, time: number, text: number, numbers: number[]): Series[] {
  const lines = new Map<string, Series["points"]>();
  // With a text column there is a line a text (and number); many numbers would be more lines than eyes can tell apart.
  const drawn = text >= 0 ? numbers.slice(0, 1) : numbers.slice(0, SERIES_MAX);
  for (const row of rows) {
    const at = Date.parse(String(row[time]));
    if (Number.isNaN(at)) continue;
    for (const index of drawn) {
      const name = text >= 0 ? String(row[text] ?? "") : (columns[index]?.name ?? "");
      const points = lines.get(name);
      if (points) points.push([at, numberOf(row[index])]);
      else if (lines.size < SERIES_MAX) lines.set(name, [[at, numberOf(row[index])]]);
    }
  }
  return [...lines].map(([name, points]) => ({ name, points: points.sort((a, b) => Number(a[0]) - Number(b[0])) }));
}

const numberOf = (cell: Cell | undefined): number | null => (typeof cell === "number" ? cell : null);

/** A value as it stands in the table: at most ten digits that mean something. */
export function cellText(cell: Cell | undefined, type: ColumnType | undefined): string {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number" && type !== "integer") return String(Number(cell.toPrecision(10)));
  return String(cell);
}
