import { expect, it } from "vitest";
import { NAV, navOf } from "./nav";

it("a grid worker begins with the grid, everybody else with the overview", () => {
  const names = (roles: string[], may: string[]): string[] => navOf(roles, (permission) => may.includes(permission)).map((item) => item.name);
  expect(names(["grid_worker"], ["read", "case_check"])[0]).toBe("grid");
  expect(names(["duty_officer"], ["read", "case_check"])[0]).toBe("overview");
  expect(names(["viewer"], ["read"])).not.toContain("grid");
  expect(navOf(["grid_worker"], () => true).length).toBe(NAV.length);
});
