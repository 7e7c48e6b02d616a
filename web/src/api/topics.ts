// The shape of what many reports say together, as types.ts has the others, and the question about it.
import { useQuery } from "@tanstack/vue-query";
import { computed, toValue, type MaybeRefOrGetter } from "vue";
import { api } from "./client";
import type { Iso } from "./types";

export interface Topics {
  from: Iso;
  to: Iso;
  /** null: fewer than five, which is not told. */
  reports: number | null;
  before: number | null;
  topics: { word: string; now: number; before: number }[];
  hotspots: { areas: { id: string; name: string }[]; since: Iso; reports: number; expected: number; chance: number }[];
}

export const useTopics = (area: MaybeRefOrGetter<string>) =>
  useQuery({
    queryKey: computed(() => ["topics", toValue(area)]),
    queryFn: ({ signal }) => api.get<Topics>("/topics", { area: toValue(area) }, signal),
    staleTime: 300_000,
  });
