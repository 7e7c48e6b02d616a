// Colours of areas on the map. Sequential and single-hued (ColorBrewer "BuGn", its dark twin mirrored), because the
// warning colours must stay free for warnings. The most intense colour is always the worst value.

export const RAMP = {
  light: ["#e1f1ed", "#bcdfd7", "#8cc3b8", "#4f9e90", "#1c6f61"],
  dark: ["#1d3b35", "#29574e", "#3a7b6e", "#58a494", "#93dccd"],
} as const;

export type Theme = keyof typeof RAMP;
export const BINS = 5;

export interface Scale {
  /** Edges between the bins, ascending in value; BINS - 1 of them. Empty when there is nothing to divide. */
  edges: number[];
  low: number;
  high: number;
  /** True when a low value is the worse one. */
  lowIsWorse: boolean;
}

/** A step of 1, 2, 2.5 or 5 times a power of ten that divides `span` into about `count` parts. */
export function niceStep(span: number, count: number): number {
  if (!(span > 0)) return 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= rough * 0.999) ?? 10;
  return factor * power;
}

/** `decimals` is what the sensor can know: two areas that print the same number never differ in colour. */
export function scaleOf(values: (number | null)[], better: "higher" | "lower" | "band", decimals = 6): Scale {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  const lowIsWorse = better === "higher";
  if (known.length === 0) return { edges: [], low: 0, high: 0, lowIsWorse };
  const low = Math.min(...known);
  const high = Math.max(...known);
  if (high - low < 10 ** -decimals) return { edges: [], low, high, lowIsWorse };
  const step = Math.max(niceStep(high - low, BINS), 10 ** -decimals);
  const first = Math.floor(low / step) * step;
  const edges = Array.from({ length: BINS - 1 }, (_, i) => Number((first + step * (i + 1)).toPrecision(12)));
  return { edges, low: Math.min(low, first), high, lowIsWorse };
}

/** 0 (calm) .. BINS-1 (worst). When all areas are equal, the calmest colour is used. */
export function binOf(value: number, scale: Scale): number {
  if (scale.edges.length === 0) return 0;
  let above = 0;
  while (above < scale.edges.length && value >= (scale.edges[above] ?? 0)) above += 1;
  return scale.lowIsWorse ? BINS - 1 - above : above;
}
