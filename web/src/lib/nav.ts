// What can be opened, in the order of a duty officer's day.
import type { IconName } from "@/components/Icon.vue";
import type { Permission } from "@/api/types";

export interface NavItem {
  name: string;
  icon: IconName;
  /** Other screens that belong under this one. */
  also?: string[];
  needs?: Permission;
}

export const NAV: NavItem[] = [
  { name: "overview", icon: "overview" },
  { name: "warnings", icon: "warning" },
  { name: "cases", icon: "case", also: ["case"] },
  { name: "grid", icon: "walk", needs: "case_check" },
  { name: "indicators", icon: "pulse", also: ["indicator"] },
  { name: "devices", icon: "device", also: ["device"] },
  { name: "evaluation", icon: "star", also: ["evaluation-print", "ratings"] },
  { name: "alarms", icon: "bell" },
  { name: "reviews", icon: "back", also: ["review"] },
  { name: "query", icon: "query", needs: "sql" },
  { name: "packs", icon: "pack", also: ["pack", "rule"] },
  { name: "users", icon: "users", needs: "user_manage" },
  { name: "audit", icon: "eye", needs: "audit_read" },
  { name: "subscriptions", icon: "mail", needs: "notify_manage" },
  { name: "system", icon: "system" },
];

/** What may be opened, in the order of the day of whoever is signed in: a grid worker begins with the grid. */
export function navOf(roles: readonly string[], can: (permission: Permission) => boolean): NavItem[] {
  const items = NAV.filter((item) => !item.needs || can(item.needs));
  const first = (item: NavItem): boolean => item.name === "grid" && roles.includes("grid_worker");
  return [...items.filter(first), ...items.filter((item) => !first(item))];
}

export const isHere = (item: NavItem, route: unknown): boolean =>
  item.name === route || (item.also?.includes(String(route)) ?? false);
