// Small composables that most screens need: the shared clock, words in the chosen language, area and range from the URL.
import { computed, onMounted, onScopeDispose, ref, type ComputedRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { useRoute, useRouter } from "vue-router";
import type { Text } from "@/api/types";
import { useSession } from "@/stores/session";
import { useSettings } from "@/stores/settings";
import { bounds, DEFAULT_RANGE, isRange, rangesOf, type Range } from "./range";
import * as format from "./format";

const now = ref(Date.now());
const minute = computed(() => Math.ceil(now.value / 60_000));
let listeners = 0;
let timer = 0;

/** The present moment, refreshed once a second, shared by everything on the page that shows a clock. */
export function useNow(): Ref<number> {
  listeners += 1;
  if (listeners === 1) {
    now.value = Date.now();
    timer = window.setInterval(() => (now.value = Date.now()), 1000);
  }
  onScopeDispose(() => {
    listeners -= 1;
    if (listeners === 0) window.clearInterval(timer);
  });
  return now;
}

export interface Words {
  t: ReturnType<typeof useI18n>["t"];
  lang: ComputedRef<format.Lang>;
  /** The half of a two-language text that the reader chose. */
  tx: (text: Text | null | undefined) => string;
  num: (value: number | null | undefined, decimals?: number) => string;
  /** How long a list is that the server counts to ten thousand. */
  total: (count: number) => string;
  qty: (value: number | null | undefined, unit: string, decimals?: number) => string;
  unit: (unit: string) => string;
  share: (value: number | null | undefined, decimals?: number) => string;
  when: (iso: string) => string;
  span: (ms: number) => string;
  tierName: (tier: string) => string;
}

export function useWords(): Words {
  const { t } = useI18n();
  const settings = useSettings();
  const session = useSession();
  const lang = computed(() => settings.lang);
  const tx = (text: Text | null | undefined): string => (text ? text[lang.value] || text.zh || text.en : "");
  return {
    t,
    lang,
    tx,
    num: (value, decimals) => format.formatNumber(value, decimals, lang.value),
    total: (count) => format.formatTotal(count, lang.value),
    qty: (value, unit, decimals) => format.formatQuantity(value, unit, decimals, lang.value),
    unit: format.unitSign,
    share: (value, decimals) => format.formatShare(value, decimals, lang.value),
    when: (iso) => format.formatAbsolute(iso, session.timeZone, lang.value),
    span: (ms) => format.formatDuration(ms, lang.value),
    tierName: (tier) => tx(session.city?.tiers.find((item) => item.id === tier)?.name) || tier,
  };
}

/** Area and time range: always in the address, so that a screen can be sent to a colleague. */
export function useScope() {
  const route = useRoute();
  const router = useRouter();
  const session = useSession();
  const area = computed(() => {
    const asked = route.query.area;
    return typeof asked === "string" && asked ? asked : (session.user?.area ?? session.city?.root ?? "");
  });
  const range = computed<Range>(() => {
    const asked = route.query.range;
    return isRange(asked) && rangesOf(route.name).includes(asked) ? asked : DEFAULT_RANGE;
  });
  useNow();
  const window_ = computed(() => bounds(range.value, minute.value * 60_000));

  const set = (changes: Record<string, string | undefined>, push = false): void => {
    const query = { ...route.query, ...changes };
    for (const key of Object.keys(query)) if (query[key] === undefined || query[key] === "") delete query[key];
    void (push ? router.push({ query }) : router.replace({ query }));
  };
  const goArea = (code: string): void => set({ area: code === session.user?.area ? undefined : code }, true);
  const param = (name: string): ComputedRef<string> =>
    computed(() => (typeof route.query[name] === "string" ? (route.query[name] as string) : ""));
  return { area, range, bounds: window_, set, goArea, param };
}

/** True from the moment an element first comes into sight; long lists ask for their charts only then. */
export function useSeen(element: Ref<HTMLElement | null>): Ref<boolean> {
  const seen = ref(false);
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.value = true;
    watcher.disconnect();
  });
  onMounted(() => element.value && watcher.observe(element.value));
  onScopeDispose(() => watcher.disconnect());
  return seen;
}

/** The items in their own order, except while the pointer is on them: then they keep the places they had. */
export function useSteady<T>(items: ComputedRef<T[]>, key: (item: T) => string, held: Ref<boolean>): ComputedRef<T[]> {
  let places = new Map<string, number>();
  return computed(() => {
    const fresh = items.value;
    if (held.value && places.size > 0) {
      const last = places.size;
      return [...fresh].sort((a, b) => (places.get(key(a)) ?? last) - (places.get(key(b)) ?? last));
    }
    places = new Map(fresh.map((item, place) => [key(item), place]));
    return fresh;
  });
}

/** True while a media query holds. */
export function useMedia(query: string): Ref<boolean> {
  const media = window.matchMedia(query);
  const matches = ref(media.matches);
  const update = (): void => void (matches.value = media.matches);
  media.addEventListener("change", update);
  onScopeDispose(() => media.removeEventListener("change", update));
  return matches;
}

export const PHONE = "(max-width: 767px)";
