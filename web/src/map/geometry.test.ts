import { expect, it } from "vitest";
import { boxOf, labelPoint } from "./geometry";

const square = (x: number, y: number, size: number): GeoJSON.Position[][] => [
  [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]],
];

it("the box holds every part of every geometry", () => {
  expect(
    boxOf([{ type: "Polygon", coordinates: square(1, 1, 2) }, { type: "MultiPolygon", coordinates: [square(-4, 0, 1), square(5, 5, 1)] }, null]),
  ).toEqual([-4, 0, 6, 6]);
  expect(boxOf([null])).toBeNull();
});
it("a name hangs in the middle of the largest part", () => {
  expect(labelPoint({ type: "MultiPolygon", coordinates: [square(0, 0, 1), square(10, 10, 4)] })).toEqual([12, 12]);
  expect(labelPoint(null)).toBeNull();
});
