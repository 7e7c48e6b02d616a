// The four warning grades. Each has a colour, a shape and a word; a screen must always give at least two of them.
import type { Severity } from "@/api/types";

export const SEVERITY_COLOUR: Record<Severity, string> = {
  0: "transparent",
  1: "#2F6FDE",
  2: "#E0A100",
  3: "#E8730C",
  4: "#D92D20",
};

/** Drawn inside a 16 x 16 box: circle, triangle, diamond, octagon. More corners of danger, more area. */
export const SEVERITY_PATH: Record<Severity, string> = {
  0: "M8 5.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5z",
  1: "M8 2.6a5.4 5.4 0 1 0 0 10.8a5.4 5.4 0 1 0 0-10.8z",
  2: "M8 1.6L15 14H1z",
  3: "M8 .8L15.2 8L8 15.2L.8 8z",
  4: "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
};

export const SEVERITIES: Severity[] = [4, 3, 2, 1];
