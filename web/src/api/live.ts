// The live stream: one EventSource for the whole page. What arrives is collected and applied once a second to the
// answers already on screen. New rows are only counted here; a list shows them when the reader asks for them.
import type { InfiniteData, QueryClient } from "@tanstack/vue-query";
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";
import { isEnded } from "@/lib/case";
import { address } from "./client";
import type { Case, Indicator, IndicatorValue, AreaValue, List, Tick, Warning } from "./types";

const FLUSH_MS = 1_000;
/** The server ticks once a second; this many seconds without one means that the picture is old. */
const STALE_MS = 6_000;
const REOPEN_MS = 3_000;

interface Batch {
  indicators: Map<string, IndicatorValue>;
  warnings: Map<string, Warning>;
  cases: Map<string, Case>;
  tick: Tick | null;
  resync: boolean;
}

const emptyBatch = (): Batch => ({
  indicators: new Map(),
  warnings: new Map(),
  cases: new Map(),
  tick: null,
  resync: false,
});

export const isUnanswered = (warning: Warning): boolean =>
  warning.state === "raised" && !warning.answered_at && !warning.cleared_at && !warning.held;

/** The list with the changed items replaced; the same object when nothing changed. */
export function replaceById<T extends { id: string }>(items: T[], changed: Map<string, T>): T[] {
  if (!items.some((item) => changed.has(item.id))) return items;
  return items.map((item) => {
    const fresh = changed.get(item.id);
    return fresh ? { ...item, ...fresh } : item;
  });
}

/** The unanswered warnings after a batch: answered ones leave, new ones join. */
export function mergeOpen(items: Warning[], changed: Map<string, Warning>): Warning[] {
  const known = new Set(items.map((item) => item.id));
  const kept = replaceById(items, changed).filter(isUnanswered);
  const added = [...changed.values()].filter((item) => !known.has(item.id) && isUnanswered(item));
  return added.length === 0 && kept.length === items.length && kept.every((item, i) => item === items[i])
    ? items
    : [...kept, ...added];
}

export const useLive = defineStore("live", () => {
  const tick = shallowRef<Tick | null>(null);
  const rates = shallowRef<number[]>([]);
  const lastHeard = ref(0);
  const connected = ref(false);
  /** Moment since when the picture on screen is not kept up, or null. */
  const staleSince = ref<number | null>(null);
  const newWarnings = ref(new Set<string>());
  const newCases = ref(new Set<string>());
  const lastRed = shallowRef<Warning | null>(null);
  const area = ref("");

  let source: EventSource | null = null;
  let client: QueryClient | null = null;
  let batch = emptyBatch();
  let flushTimer = 0;
  let reopenTimer = 0;
  let casesTouched = 0;

  function heard(): void {
    lastHeard.value = Date.now();
    if (staleSince.value !== null) staleSince.value = null;
    connected.value = true;
  }

  function on<T>(name: string, take: (data: T) => void): void {
    source?.addEventListener(name, (event) => {
      heard();
      take(JSON.parse((event as MessageEvent<string>).data) as T);
    });
  }

  function open(queryClient: QueryClient, code: string): void {
    if (source && area.value === code && source.readyState !== EventSource.CLOSED) return;
    close();
    client = queryClient;
    area.value = code;
    const mine = new EventSource(address("/events", { area: code }));
    source = mine;
    mine.onopen = heard;
    mine.onerror = () => {
      connected.value = false;
      // The browser reconnects by itself and sends Last-Event-ID, except after a refusal: then we start afresh.
      if (mine.readyState === EventSource.CLOSED) {
        reopenTimer = window.setTimeout(() => {
          if (source !== mine) return;
          batch.resync = true;
          source = null;
          open(queryClient, code);
        }, REOPEN_MS);
      }
    };
    on<Tick>("tick", (data) => (batch.tick = data));
    on<{ items: IndicatorValue[] }>("indicators", ({ items }) => {
      for (const item of items) batch.indicators.set(`${item.indicator} ${item.area}`, item);
    });
    on<Warning>("warning", (data) => batch.warnings.set(data.id, data));
    on<Case>("case", (data) => batch.cases.set(data.id, data));
    on<unknown>("resync", () => (batch.resync = true));
    lastHeard.value = Date.now();
    flushTimer = window.setInterval(flush, FLUSH_MS);
  }

  function close(): void {
    source?.close();
    source = null;
    window.clearInterval(flushTimer);
    window.clearTimeout(reopenTimer);
    batch = emptyBatch();
    connected.value = false;
    staleSince.value = null;
    newWarnings.value = new Set();
    newCases.value = new Set();
  }

  function flush(): void {
    if (Date.now() - lastHeard.value > STALE_MS && staleSince.value === null) {
      staleSince.value = lastHeard.value;
      connected.value = false;
    }
    const ready = batch;
    batch = emptyBatch();
    if (ready.tick) {
      tick.value = ready.tick;
      rates.value = [...rates.value, ready.tick.readings_per_second].slice(-60);
    }
    if (!client) return;
    if (ready.resync) {
      void client.invalidateQueries();
      return;
    }
    if (ready.indicators.size > 0) applyIndicators(client, ready.indicators);
    if (ready.warnings.size > 0) applyWarnings(client, ready.warnings);
    if (ready.cases.size > 0) applyCases(client, ready.cases);
  }

  function applyIndicators(cache: QueryClient, changed: Map<string, IndicatorValue>): void {
    for (const entry of cache.getQueryCache().findAll({ queryKey: ["indicators"] })) {
      const code = entry.queryKey[1] as string;
      cache.setQueryData<List<Indicator>>(entry.queryKey, (old) => {
        if (!old?.items.some((item) => changed.has(`${item.code} ${code}`))) return old;
        const items = old.items.map((item) => {
          const value = changed.get(`${item.code} ${code}`);
          return value ? { ...item, value } : item;
        });
        return { ...old, items };
      });
    }
    for (const entry of cache.getQueryCache().findAll({ queryKey: ["indicator"] })) {
      const value = changed.get(`${String(entry.queryKey[1])} ${String(entry.queryKey[2])}`);
      if (value) cache.setQueryData<Indicator>(entry.queryKey, (old) => (old ? { ...old, value } : old));
    }
    for (const entry of cache.getQueryCache().findAll({ queryKey: ["area-values"] })) {
      const indicator = String(entry.queryKey[1]);
      cache.setQueryData<List<AreaValue>>(entry.queryKey, (old) => {
        if (!old?.items.some((item) => changed.has(`${indicator} ${item.area}`))) return old;
        const items = old.items.map((item) => ({ ...item, ...changed.get(`${indicator} ${item.area}`) }));
        return { ...old, items };
      });
    }
  }

  function applyWarnings(cache: QueryClient, changed: Map<string, Warning>): void {
    const listed = new Set<string>();
    for (const entry of cache.getQueryCache().findAll({ queryKey: ["warnings", "list"] })) {
      const data = entry.state.data as InfiniteData<List<Warning>> | undefined;
      for (const item of data?.pages.flatMap((page) => page.items) ?? []) listed.add(item.id);
    }
    cache.setQueriesData<InfiniteData<List<Warning>>>({ queryKey: ["warnings", "list"] }, (old) =>
      old && {
        ...old,
        pages: old.pages.map((page) => ({ ...page, items: replaceById(page.items, changed) })),
      },
    );
    cache.setQueriesData<List<Warning>>({ queryKey: ["warnings", "open"] }, (old) => {
      if (!old) return old;
      const items = mergeOpen(old.items, changed);
      return items === old.items ? old : { ...old, items, total: items.length };
    });
    // One that was held back just now belongs on the list of those; the order that held it may have been answered before.
    for (const entry of cache.getQueryCache().findAll({ queryKey: ["warnings", "list"] })) {
      if ((entry.queryKey[2] as { state?: string } | undefined)?.state !== "held") continue;
      const data = entry.state.data as InfiniteData<List<Warning>> | undefined;
      const there = new Set(data?.pages.flatMap((page) => page.items.map((item) => item.id)));
      if ([...changed.values()].some((warning) => warning.held && !there.has(warning.id))) void cache.invalidateQueries({ queryKey: entry.queryKey });
    }
    for (const warning of changed.values()) {
      if (cache.getQueryData(["warning", warning.id])) cache.setQueryData(["warning", warning.id], warning);
      if (!isUnanswered(warning)) continue;
      if (!listed.has(warning.id)) newWarnings.value.add(warning.id);
      if (warning.severity === 4) lastRed.value = warning;
    }
  }

  function applyCases(cache: QueryClient, changed: Map<string, Case>): void {
    const listed = new Set<string>();
    for (const entry of cache.getQueryCache().findAll({ queryKey: ["cases", "list"] })) {
      const data = entry.state.data as InfiniteData<List<Case>> | undefined;
      for (const item of data?.pages.flatMap((page) => page.items) ?? []) listed.add(item.id);
    }
    cache.setQueriesData<InfiniteData<List<Case>>>({ queryKey: ["cases", "list"] }, (old) =>
      old && {
        ...old,
        pages: old.pages.map((page) => ({ ...page, items: replaceById(page.items, changed) })),
      },
    );
    for (const item of changed.values()) {
      // What the reader may do next, and the history, are not part of the stream: ask for the whole case again.
      void cache.invalidateQueries({ queryKey: ["case", item.id] });
      if (!listed.has(item.id) && !isEnded(item.state)) newCases.value.add(item.id);
    }
    if (Date.now() - casesTouched > 3_000) {
      casesTouched = Date.now();
      void cache.invalidateQueries({ queryKey: ["cases", "summary"] });
      void cache.invalidateQueries({ queryKey: ["cases", "urgent"] });
    }
  }

  function seenWarnings(): void {
    newWarnings.value = new Set();
  }
  function seenCases(): void {
    newCases.value = new Set();
  }

  const state = computed<"live" | "connecting" | "stale">(() =>
    staleSince.value !== null ? "stale" : connected.value ? "live" : "connecting",
  );

  return {
    tick, rates, staleSince, state, newWarnings, newCases, lastRed, area,
    open, close, seenWarnings, seenCases,
  };
});
