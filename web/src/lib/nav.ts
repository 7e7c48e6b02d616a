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
  { name: "indicators", icon: "pulse", also: ["indicator"] },
  { name: "devices", icon: "device", also: ["device"] },
  { name: "evaluation", icon: "star", also: ["evaluation-print", "ratings"] },
  { name: "alarms", icon: "bell" },
  { name: "reviews", icon: "back", also: ["review"] },
  { name: "query", icon: "query", needs: "sql" },
  { name: "packs", icon: "pack", also: ["pack", "rule"] },
  { name: "users", icon: "users", needs: "user_manage" },
  { name: "subscriptions", icon: "mail", needs: "notify_manage" },
  { name: "system", icon: "system" },
];

export const isHere = (item: NavItem, route: unknown): boolean =>
  item.name === route || (item.also?.includes(String(route)) ?? false);
