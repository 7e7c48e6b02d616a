// The map of screens. Area and time range travel along in the address from screen to screen.
import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";
import { useSession } from "@/stores/session";
import type { Permission } from "@/api/types";

declare module "vue-router" {
  interface RouteMeta {
    /** Key of the screen's name in the messages. */
    title: string;
    public?: boolean;
    needs?: Permission;
  }
}

const routes: RouteRecordRaw[] = [
  { path: "/signin", name: "signin", component: () => import("./pages/SignIn.vue"), meta: { title: "nav.signin", public: true } },
  { path: "/", name: "overview", component: () => import("./pages/Overview.vue"), meta: { title: "nav.overview" } },
  { path: "/indicators", name: "indicators", component: () => import("./pages/Indicators.vue"), meta: { title: "nav.indicators" } },
  { path: "/indicators/:code", name: "indicator", component: () => import("./pages/IndicatorPage.vue"), props: true, meta: { title: "nav.indicator" } },
  { path: "/warnings/:id?", name: "warnings", component: () => import("./pages/Warnings.vue"), props: true, meta: { title: "nav.warnings" } },
  { path: "/alarms", name: "alarms", component: () => import("./pages/Alarms.vue"), meta: { title: "nav.alarms" } },
  { path: "/cases", name: "cases", component: () => import("./pages/Cases.vue"), meta: { title: "nav.cases" } },
  { path: "/cases/:id", name: "case", component: () => import("./pages/CasePage.vue"), props: true, meta: { title: "nav.case" } },
  { path: "/grid", name: "grid", component: () => import("./pages/Grid.vue"), meta: { title: "nav.grid", needs: "case_check" } },
  { path: "/devices", name: "devices", component: () => import("./pages/Devices.vue"), meta: { title: "nav.devices" } },
  { path: "/devices/:id", name: "device", component: () => import("./pages/DevicePage.vue"), props: true, meta: { title: "nav.device" } },
  { path: "/ratings", name: "ratings", component: () => import("./pages/Ratings.vue"), meta: { title: "nav.ratings" } },
  { path: "/evaluation", name: "evaluation", component: () => import("./pages/Evaluation.vue"), meta: { title: "nav.evaluation" } },
  { path: "/evaluation/print", name: "evaluation-print", component: () => import("./pages/EvaluationPrint.vue"), meta: { title: "nav.evaluation" } },
  { path: "/sql", name: "query", component: () => import("./pages/Query.vue"), meta: { title: "nav.query", needs: "sql" } },
  { path: "/packs", name: "packs", component: () => import("./pages/Packs.vue"), meta: { title: "nav.packs" } },
  { path: "/packs/:id", name: "pack", component: () => import("./pages/PackPage.vue"), props: true, meta: { title: "nav.pack" } },
  { path: "/rules/:pack/:rule", name: "rule", component: () => import("./pages/RulePage.vue"), props: true, meta: { title: "nav.rule" } },
  { path: "/reviews", name: "reviews", component: () => import("./pages/Reviews.vue"), meta: { title: "nav.reviews" } },
  { path: "/reviews/:id", name: "review", component: () => import("./pages/ReviewPage.vue"), props: true, meta: { title: "nav.review" } },
  { path: "/users", name: "users", component: () => import("./pages/Users.vue"), meta: { title: "nav.users", needs: "user_manage" } },
  { path: "/account", name: "account", component: () => import("./pages/Account.vue"), meta: { title: "nav.account" } },
  { path: "/audit", name: "audit", component: () => import("./pages/Audit.vue"), meta: { title: "nav.audit", needs: "audit_read" } },
  { path: "/subscriptions", name: "subscriptions", component: () => import("./pages/Subscriptions.vue"), meta: { title: "nav.subscriptions", needs: "notify_manage" } },
  { path: "/system", name: "system", component: () => import("./pages/System.vue"), meta: { title: "nav.system" } },
  { path: "/:rest(.*)*", name: "missing", component: () => import("./pages/Missing.vue"), meta: { title: "nav.missing" } },
];

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? {} : { top: 0 }),
});

const TRAVELLING = ["area", "range"] as const;

router.beforeEach(async (to, from) => {
  const session = useSession();
  await Promise.all([session.loadCity(), session.restore()]);
  if (!session.user && !to.meta.public) {
    return { name: "signin", query: to.fullPath === "/" ? {} : { next: to.fullPath } };
  }
  if (session.user && to.name === "signin") return { name: "overview" };
  if (session.user?.must_enrol && to.name !== "account") return { name: "account" };
  if (to.meta.public || from.meta.public) return true;
  if (to.path === from.path) return true;
  const carried = Object.fromEntries(
    TRAVELLING.filter((key) => from.query[key] !== undefined && to.query[key] === undefined).map((key) => [
      key,
      from.query[key],
    ]),
  );
  return Object.keys(carried).length > 0
    ? { path: to.path, query: { ...to.query, ...carried }, hash: to.hash, replace: false }
    : true;
});
