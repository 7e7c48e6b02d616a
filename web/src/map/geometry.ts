// Small sums over GeoJSON: bounding boxes and a point to hang a name on. Degrees in, degrees out.
import type { Position } from "@/api/types";

export type Box = [west: number, south: number, east: number, north: number];

function* rings(geometry: GeoJSON.Geometry | null): Generator<GeoJSON.Position[]> {
  if (!geometry) return;
  if (geometry.type === "Polygon") yield* geometry.coordinates;
  else if (geometry.type === "MultiPolygon") for (const polygon of geometry.coordinates) yield* polygon;
  else if (geometry.type === "LineString") yield geometry.coordinates;
  else if (geometry.type === "Point") yield [geometry.coordinates];
}

export function boxOf(geometries: (GeoJSON.Geometry | null)[]): Box | null {
  let box: Box | null = null;
  for (const geometry of geometries) {
    for (const ring of rings(geometry)) {
      for (const [x = 0, y = 0] of ring) {
        box = box
          ? [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)]
          : [x, y, x, y];
      }
    }
  }
  return box;
}

/** Centroid of the largest outer ring (plain degrees are good enough for a label). */
export function labelPoint(geometry: GeoJSON.Geometry | null): Position | null {
  let best: { area: number; at: Position } | null = null;
  for (const ring of rings(geometry)) {
    let area = 0;
    let cx = 0;
    let cy = 0;
    for (let i = 0; i + 1 < ring.length; i += 1) {
      const [x0 = 0, y0 = 0] = ring[i] ?? [];
      const [x1 = 0, y1 = 0] = ring[i + 1] ?? [];
      const cross = x0 * y1 - x1 * y0;
      area += cross;
      cx += (x0 + x1) * cross;
      cy += (y0 + y1) * cross;
    }
    const [x = 0, y = 0] = ring[0] ?? [];
    const at: Position = area === 0 ? [x, y] : [cx / (3 * area), cy / (3 * area)];
    if (!best || Math.abs(area) > best.area) best = { area: Math.abs(area), at };
  }
  return best?.at ?? null;
}
