// Every question that the screens put to the server, with the key under which the answer is kept.
// Keys start with the noun, so that the live stream can find and mend all answers about it.
import type { AuditLine } from "./access";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/vue-query";
import { computed, toValue, type MaybeRefOrGetter } from "vue";
import type * as A from "./alarms";
import { api, segment, type Params } from "./client";
import type * as N from "./notify";
import type * as T from "./types";

type In<V> = MaybeRefOrGetter<V>;
const LIST_SIZE = 100;

/** Pages of a thousand until there are no more; for lists that a person chooses from. */
async function whole<Item>(path: string, filter: Params, signal: AbortSignal): Promise<T.List<Item>> {
  const items: Item[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const page: T.List<Item> = await api.get<T.List<Item>>(path, { ...filter, limit: 1000, cursor }, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return { items, next_cursor: null, total: items.length };
}

/** A list that grows by pages ("load more"), keyed by its filter. */
function useList<Item>(noun: string, path: string, filter: In<Params>, enabled: In<boolean> = true, every: number | false = false) {
  const query = useInfiniteQuery({
    queryKey: computed(() => [noun, "list", toValue(filter)]),
    queryFn: ({ pageParam, signal }) =>
      api.get<T.List<Item>>(path, { limit: LIST_SIZE, ...toValue(filter), cursor: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last: T.List<Item>) => last.next_cursor ?? undefined,
    enabled: () => toValue(enabled),
    placeholderData: keepPreviousData,
    refetchInterval: every,
  });
  const items = computed<Item[]>(() => query.data.value?.pages.flatMap((page) => page.items) ?? []);
  const total = computed(() => query.data.value?.pages[0]?.total ?? items.value.length);
  return { query, items, total };
}

export const useWarnings = (filter: In<Params>) => useList<T.Warning>("warnings", "/warnings", filter);
export const useCases = (filter: In<Params>) => useList<T.Case>("cases", "/cases", filter);
export const useDevices = (filter: In<Params>) => useList<T.Device>("devices", "/devices", filter);
export const useUsers = (enabled: In<boolean>) => useList<T.Account>("users", "/users", {}, enabled);

export const useAudit = (filter: In<Params>) => useList<AuditLine>("audit", "/audit", filter);

export const useSubscriptions = (enabled: In<boolean>) =>
  useQuery({
    queryKey: ["subscriptions"],
    queryFn: ({ signal }) => api.get<T.List<N.Subscription>>("/subscriptions", {}, signal),
    enabled: () => toValue(enabled),
    refetchInterval: 15_000,
  });

/** Messages change by themselves: looked at again every few seconds. */
export const useDeliveries = (filter: In<Params>) => useList<N.Delivery>("deliveries", "/deliveries", filter, true, 5_000);

export const useAlarmQuality = (area: In<string>, span: In<{ from: string; to: string }>) =>
  useQuery({
    queryKey: computed(() => ["alarms", "quality", toValue(area), toValue(span)]),
    queryFn: ({ signal }) => api.get<A.AlarmQuality>("/alarms/quality", { area: toValue(area), ...toValue(span) }, signal),
    placeholderData: keepPreviousData,
  });

export const useShelves = (area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["alarms", "shelved", toValue(area)]),
    queryFn: ({ signal }) => api.get<T.List<A.Shelf>>("/alarms/shelved", { area: toValue(area) }, signal),
    refetchInterval: 15_000,
  });

/** Every warning nobody has answered yet; the live stream keeps this answer current. */
export const useOpenWarnings = (area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["warnings", "open", toValue(area)]),
    queryFn: ({ signal }) =>
      api.get<T.List<T.Warning>>("/warnings", { area: toValue(area), state: "open", limit: 1000 }, signal),
  });

export const useUrgentCases = (area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["cases", "urgent", toValue(area)]),
    queryFn: ({ signal }) =>
      api.get<T.List<T.Case>>("/cases", { area: toValue(area), state: "open", sort: "due", limit: 30 }, signal),
  });

export const useWarning = (id: In<string>) =>
  useQuery({
    queryKey: computed(() => ["warning", toValue(id)]),
    queryFn: ({ signal }) => api.get<T.Warning>(`/warnings/${segment(toValue(id))}`, {}, signal),
    enabled: () => toValue(id) !== "",
  });

export const useCase = (id: In<string>) =>
  useQuery({
    queryKey: computed(() => ["case", toValue(id)]),
    queryFn: ({ signal }) => api.get<T.CaseDetail>(`/cases/${segment(toValue(id))}`, {}, signal),
    enabled: () => toValue(id) !== "",
  });

/** Open cases that a case may be merged into: by words or number, or without words by its own type. */
export const useMergeTargets = (filter: In<Params>) =>
  useQuery({
    queryKey: computed(() => ["cases", "merge", toValue(filter)]),
    queryFn: ({ signal }) => api.get<T.List<T.Case>>("/cases", { ...toValue(filter), state: "open", limit: 8 }, signal),
    placeholderData: keepPreviousData,
  });

export const useCaseSummary = (area: In<string>, time: In<{ from: string; to: string }>) =>
  useQuery({
    queryKey: computed(() => ["cases", "summary", toValue(area), toValue(time)]),
    queryFn: ({ signal }) =>
      api.get<T.CaseSummary>("/cases/summary", { area: toValue(area), ...toValue(time) }, signal),
    placeholderData: keepPreviousData,
  });

export const useCaseTypes = (enabled: In<boolean> = true) =>
  useQuery({
    queryKey: ["case-types"],
    queryFn: ({ signal }) => api.get<T.List<T.CaseType>>("/case-types", {}, signal),
    staleTime: 600_000,
    enabled: () => toValue(enabled),
  });

export const useCasePlans = (enabled: In<boolean>) =>
  useQuery({
    queryKey: ["case-plans"],
    queryFn: ({ signal }) => api.get<T.List<T.CasePlan>>("/case-plans", {}, signal),
    staleTime: 600_000,
    enabled: () => toValue(enabled),
  });

export const useAgencies = (area: In<string>, enabled: In<boolean> = true) =>
  useQuery({
    queryKey: computed(() => ["agencies", toValue(area)]),
    queryFn: ({ signal }) => whole<T.Agency>("/agencies", { area: toValue(area) }, signal),
    staleTime: 600_000,
    enabled: () => toValue(enabled),
  });

export const useArea = (code: In<string>) =>
  useQuery({
    queryKey: computed(() => ["area", toValue(code)]),
    queryFn: ({ signal }) => api.get<T.Area>(`/areas/${segment(toValue(code))}`, {}, signal),
    enabled: () => toValue(code) !== "",
    staleTime: 600_000,
    placeholderData: keepPreviousData,
  });

/** One area of the lowest tier, for the example of a first reading. */
export const useLeaf = () =>
  useQuery({
    queryKey: ["leaf"],
    queryFn: ({ signal }) => api.get<T.List<T.Area>>("/areas", { tier: "grid", limit: 1 }, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const useShapes = (code: In<string>) =>
  useQuery({
    queryKey: computed(() => ["shapes", toValue(code)]),
    queryFn: ({ signal }) => api.get<T.Shapes>(`/areas/${segment(toValue(code))}/shapes`, {}, signal),
    enabled: () => toValue(code) !== "",
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });

export const useIndicators = (area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["indicators", toValue(area)]),
    queryFn: ({ signal }) =>
      api.get<T.List<T.Indicator>>("/indicators", { area: toValue(area), limit: 1000 }, signal),
    placeholderData: keepPreviousData,
  });

export const useIndicator = (code: In<string>, area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["indicator", toValue(code), toValue(area)]),
    queryFn: ({ signal }) =>
      api.get<T.Indicator>(`/indicators/${segment(toValue(code))}`, { area: toValue(area) }, signal),
    placeholderData: keepPreviousData,
  });

export const useAreaValues = (code: In<string>, parent: In<string>) =>
  useQuery({
    queryKey: computed(() => ["area-values", toValue(code), toValue(parent)]),
    queryFn: ({ signal }) =>
      api.get<T.List<T.AreaValue>>(
        `/indicators/${segment(toValue(code))}/areas`,
        { parent: toValue(parent) },
        signal,
      ),
    enabled: () => toValue(code) !== "",
    placeholderData: keepPreviousData,
  });

export const useHistory = (
  code: In<string>,
  area: In<string>,
  time: In<{ from: string; to: string }>,
  enabled: In<boolean> = true,
) =>
  useQuery({
    queryKey: computed(() => ["history", toValue(code), toValue(area), toValue(time)]),
    queryFn: ({ signal }) =>
      api.get<T.History>(
        `/indicators/${segment(toValue(code))}/history`,
        { area: toValue(area), ...toValue(time) },
        signal,
      ),
    enabled: () => toValue(enabled) && toValue(code) !== "",
    placeholderData: keepPreviousData,
  });

export const useSources = (code: In<string>, area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["sources", toValue(code), toValue(area)]),
    queryFn: ({ signal }) =>
      api.get<T.List<T.SourceReading>>(
        `/indicators/${segment(toValue(code))}/sources`,
        { area: toValue(area), limit: 50 },
        signal,
      ),
    placeholderData: keepPreviousData,
  });

export const useDevice = (id: In<string>) =>
  useQuery({
    queryKey: computed(() => ["device", toValue(id)]),
    queryFn: ({ signal }) => api.get<T.Device>(`/devices/${segment(toValue(id))}`, {}, signal),
    refetchInterval: 10_000,
  });

interface Bounds {
  from: string;
  to: string;
}

/** The newest readings of a stretch of time. */
export const observations = (id: string, kind: string, time: Bounds, limit: number, signal?: AbortSignal) =>
  api.get<T.Observations>(`/devices/${segment(id)}/observations`, { kind, ...time, limit }, signal);

const ofStream = <R>(name: string, id: In<string>, kind: In<string>, time: In<Bounds>, ask: (id: string, kind: string, time: Bounds, signal: AbortSignal) => Promise<R>) =>
  useQuery({
    queryKey: computed(() => [name, toValue(id), toValue(kind), toValue(time)]),
    queryFn: ({ signal }) => ask(toValue(id), toValue(kind), toValue(time), signal),
    enabled: () => toValue(kind) !== "",
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });

export const useObservations = (id: In<string>, kind: In<string>, time: In<Bounds>, limit: number) =>
  ofStream("observations", id, kind, time, (...asked) => observations(asked[0], asked[1], asked[2], limit, asked[3]));

/** Points of a chart of sums: a year is then drawn by the day, and its band can be seen. */
const SUMS_MAX = 400;
const SINGLE_MS = 2 * 86_400_000;

/** A chart of any length of time, in as many points as a screen can show. */
export const useSeries = (id: In<string>, kind: In<string>, time: In<Bounds>) =>
  ofStream("series", id, kind, time, (device, of, bounds, signal) =>
    api.get<T.Series>(
      `/devices/${segment(device)}/series`,
      { kind: of, ...bounds, points: Date.parse(bounds.to) - Date.parse(bounds.from) > SINGLE_MS ? SUMS_MAX : undefined },
      signal,
    ),
  );

export const useCorrections = (id: In<string>, kind: In<string>, time: In<Bounds>) =>
  ofStream("corrections", id, kind, time, (device, of, bounds, signal) =>
    api.get<T.List<T.Correction>>("/readings/corrections", { device, kind: of, ...bounds, limit: 200 }, signal),
  );

export const useDeviceSummary = (area: In<string>) =>
  useQuery({
    queryKey: computed(() => ["devices", "summary", toValue(area)]),
    queryFn: ({ signal }) => api.get<T.DeviceSummary>("/devices/summary", { area: toValue(area) }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });

export const useKinds = () =>
  useQuery({
    queryKey: ["kinds"],
    queryFn: ({ signal }) => api.get<T.List<T.Kind>>("/kinds", {}, signal),
    staleTime: 600_000,
  });

export const useRatings = (area: In<string>, time: In<{ from: string; to: string }>) =>
  useQuery({
    queryKey: computed(() => ["ratings", toValue(area), toValue(time)]),
    queryFn: ({ signal }) =>
      api.get<T.Ratings>("/agencies/ratings", { area: toValue(area), ...toValue(time) }, signal),
    placeholderData: keepPreviousData,
  });

export const usePacks = () =>
  useQuery({
    queryKey: ["packs"],
    queryFn: ({ signal }) => api.get<T.List<T.Pack>>("/packs", {}, signal),
    staleTime: 600_000,
  });

export const usePack = (id: In<string>) =>
  useQuery({
    queryKey: computed(() => ["pack", toValue(id)]),
    queryFn: ({ signal }) => api.get<T.PackDetail>(`/packs/${segment(toValue(id))}`, {}, signal),
    staleTime: 600_000,
  });

export const useSystem = () =>
  useQuery({
    queryKey: ["system"],
    queryFn: ({ signal }) => api.get<T.SystemState>("/system", {}, signal),
    refetchInterval: 5_000,
  });
