// The map's own calm style: land, areas in a single-hued scale, names, devices, warnings. Devices are tiles of our own
// server (docs/guides/ogc-api-features.md); nothing comes from anywhere else, letters neither.
import type { ExpressionSpecification, GeoJSONSourceSpecification, StyleSpecification } from "maplibre-gl";
import { BINS, RAMP, type Theme } from "@/lib/colour";

const empty = { type: "FeatureCollection" as const, features: [] };
const geojson = (more: Partial<GeoJSONSourceSpecification> = {}): GeoJSONSourceSpecification => ({
  type: "geojson",
  data: empty,
  ...more,
});

export interface MapColours {
  around: string;
  land: string;
  edge: string;
  text: string;
  halo: string;
  nodata: string;
  ink: string;
  ground: string;
  accent: string;
}

export function readColours(): MapColours {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    around: read("--map-around"),
    land: read("--map-land"),
    edge: read("--map-edge"),
    text: read("--map-text"),
    halo: read("--map-halo"),
    nodata: read("--map-nodata"),
    ink: read("--ink"),
    ground: read("--surface"),
    accent: read("--accent"),
  };
}

function binColour(theme: Theme, nodata: string): ExpressionSpecification {
  const bin: ExpressionSpecification = ["coalesce", ["feature-state", "bin"], -1];
  const stops = Array.from({ length: BINS }, (_, i) => [i, RAMP[theme][i] ?? nodata]).flat();
  return ["match", bin, ...stops, nodata] as unknown as ExpressionSpecification;
}

export const FONT = ["local"];

/** Address of the tiles with the devices of an area. */
export const deviceTiles = (area: string): string => `${location.origin}/tiles/devices/{z}/{x}/{y}.mvt?area=${encodeURIComponent(area)}`;

/** Layers drawn from the tiles of devices. */
export const DEVICE_LAYERS = ["clusters", "cluster-counts", "devices"];

export function buildStyle(theme: Theme, colours: MapColours, area: string): StyleSpecification {
  return {
    version: 8,
    sources: {
      around: geojson(),
      areas: geojson({ promoteId: "code" }),
      outline: geojson(),
      names: geojson(),
      devices: { type: "vector", tiles: [deviceTiles(area)], maxzoom: 18 },
      warnings: geojson(),
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colours.around } },
      {
        id: "around",
        type: "fill",
        source: "around",
        paint: { "fill-color": colours.land, "fill-opacity": 0.55, "fill-outline-color": colours.edge },
      },
      { id: "areas", type: "fill", source: "areas", paint: { "fill-color": binColour(theme, colours.nodata) } },
      {
        id: "areas-uncertain",
        type: "fill",
        source: "areas",
        filter: ["==", ["get", "code"], ""],
        paint: { "fill-pattern": "hatch", "fill-opacity": 0.55 },
      },
      {
        id: "areas-edge",
        type: "line",
        source: "areas",
        paint: { "line-color": colours.edge, "line-width": ["interpolate", ["linear"], ["zoom"], 6, 0.8, 12, 1.6] },
      },
      {
        id: "areas-picked",
        type: "line",
        source: "areas",
        filter: ["==", ["get", "code"], ""],
        paint: { "line-color": colours.ink, "line-width": 2 },
      },
      {
        id: "outline",
        type: "line",
        source: "outline",
        paint: { "line-color": colours.accent, "line-width": 1.6, "line-opacity": 0.85 },
      },
      ...deviceLayers(colours),
      {
        id: "names",
        type: "symbol",
        source: "names",
        layout: {
          "text-field": ["format", ["get", "name"], {}, "\n", {}, ["get", "value"], { "font-scale": 0.88 }],
          "text-font": FONT,
          "text-size": ["interpolate", ["linear"], ["zoom"], 6, 11, 10, 13],
          "text-line-height": 1.25,
          "text-padding": 3,
          "symbol-sort-key": ["get", "order"],
        },
        paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.4 },
      },
      {
        id: "warnings",
        type: "symbol",
        source: "warnings",
        layout: {
          "icon-image": ["concat", "warning-", ["to-string", ["get", "severity"]]],
          "icon-allow-overlap": true,
          "icon-ignore-placement": true,
          "symbol-sort-key": ["get", "severity"],
        },
      },
    ],
  };
}

function deviceLayers(colours: MapColours): StyleSpecification["layers"] {
  const icon: ExpressionSpecification = [
    "match", ["get", "status"], 0, "device-online", 1, "device-offline", 2, "device-fault", "device-never",
  ];
  const count: ExpressionSpecification = ["get", "count"];
  const short: ExpressionSpecification = [
    "case", [">=", count, 1000], ["concat", ["to-string", ["/", ["round", ["/", count, 100]], 10]], "k"], ["to-string", count],
  ];
  const tiles = { source: "devices", "source-layer": "devices" };
  return [
    {
      ...tiles,
      id: "clusters",
      type: "circle",
      filter: ["has", "count"],
      layout: { visibility: "none" },
      paint: {
        "circle-color": colours.ground,
        "circle-opacity": 0.82,
        "circle-stroke-color": colours.ink,
        "circle-stroke-width": 1,
        "circle-stroke-opacity": 0.5,
        "circle-radius": ["step", count, 10, 100, 13, 1000, 16, 10000, 20],
      },
    },
    {
      ...tiles,
      id: "cluster-counts",
      type: "symbol",
      filter: ["has", "count"],
      layout: {
        visibility: "none",
        "text-field": short,
        "text-font": FONT,
        "text-size": 11,
        "text-allow-overlap": true,
        "text-ignore-placement": true,
      },
      paint: { "text-color": colours.ink },
    },
    {
      ...tiles,
      id: "devices",
      type: "symbol",
      filter: ["!", ["has", "count"]],
      layout: { visibility: "none", "icon-image": icon, "icon-allow-overlap": true, "icon-ignore-placement": true },
      paint: { "icon-opacity": 0.9 },
    },
  ];
}
