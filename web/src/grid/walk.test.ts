import { describe, expect, it } from "vitest";
import type { Position } from "@/api/types";
import { metresBetween, walkingOrder, wholeWay, type Stop } from "./walk";

const stop = (id: string, position: Position | null, urgent = false, due = 0): Stop => ({ id, position, urgent, due });
const names = (stops: Stop[], from: Position | null): string => walkingOrder(stops, from).map((leg) => leg.stop.id).join(" ");
/** A place so many hundred metres east and north of a corner. */
const at = (east: number, north: number): Position => [106.5 + east / 967, 29.5 + north / 1112];

describe("the walking order", () => {
  it("goes along a street instead of back and forth", () => {
    expect(names([stop("c", at(3, 0)), stop("a", at(1, 0)), stop("b", at(2, 0))], at(0, 0))).toBe("a b c");
  });
  it("takes what is urgent first, however far, and the rest from there", () => {
    const stops = [stop("near", at(1, 0)), stop("far", at(9, 0), true), stop("beside-far", at(8, 0))];
    expect(names(stops, at(0, 0))).toBe("far beside-far near");
  });
  it("untangles a way that crosses itself", () => {
    const stops = [stop("a", at(0, 4)), stop("b", at(3, 4)), stop("c", at(3, 0)), stop("d", at(1, 5)), stop("e", at(4, 2))];
    const legs = walkingOrder(stops, at(0, 0));
    const best = Math.min(...orders(stops).map((order) => length(order, at(0, 0))));
    expect(wholeWay(legs)).toBeLessThan(best * 1.1);
  });
  it("never leaves a stop out and names none twice", () => {
    const stops = Array.from({ length: 30 }, (_, i) => stop(`s${i}`, i % 7 === 0 ? null : at((i * 37) % 11, (i * 53) % 13), i % 5 === 0, i));
    const ids = walkingOrder(stops, at(5, 5)).map((leg) => leg.stop.id);
    expect(new Set(ids).size).toBe(30);
    expect(ids.length).toBe(30);
  });
  it("puts what has no place last, the soonest due first, and gives it no distance", () => {
    const legs = walkingOrder([stop("later", null, false, 9), stop("sooner", null, false, 3), stop("placed", at(1, 1))], at(0, 0));
    expect(legs.map((leg) => leg.stop.id)).toEqual(["placed", "sooner", "later"]);
    expect(legs[1]?.metres).toBeNull();
  });
  it("begins at the soonest due when nobody knows where the worker is", () => {
    const legs = walkingOrder([stop("b", at(5, 0), false, 2), stop("a", at(0, 0), false, 1)], null);
    expect(legs.map((leg) => leg.stop.id)).toEqual(["a", "b"]);
    expect(legs[0]?.metres).toBeNull();
    expect(legs[1]?.metres).toBeCloseTo(metresBetween(at(0, 0), at(5, 0)), 3);
  });
  it("is the same in whatever order the server names the cases", () => {
    const stops = Array.from({ length: 12 }, (_, i) => stop(`s${i}`, at((i * 37) % 11, (i * 53) % 13)));
    expect(names([...stops].reverse(), at(0, 0))).toBe(names(stops, at(0, 0)));
  });
});

function orders(stops: Stop[]): Stop[][] {
  if (stops.length <= 1) return [stops];
  return stops.flatMap((first, i) => orders([...stops.slice(0, i), ...stops.slice(i + 1)]).map((rest) => [first, ...rest]));
}

function length(order: Stop[], from: Position): number {
  let here = from;
  let sum = 0;
  for (const { position } of order) {
    sum += metresBetween(here, position!);
    here = position!;
  }
  return sum;
}
