// The shape of what many reports say together, as types.ts has the others, and the question about it.
import { useQuery } from "@tanstack/vue-query";
import { computed, toValue, type MaybeRefOrGetter } from "vue";
import { api } from "./client";
import type { Iso, Text } from "./types";

/** How the proposals from words stand: the model in use, and the learning. */
export interface Learning {
  trained: (Sense & { types: number; right_of_three: number; decides_from: number | null; decided: number; decided_right: number }) | null;
  under_way: boolean;
  failed: Text | null;
  /** Reports of the last days among which duplicates are looked for. */
  known: number;
}

/** How good a classifier was on the latest fifth, which it had not seen. */
export interface Sense {
  taught: number;
  held_out: number;
  right: number;
}

export interface Topics {
  from: Iso;
  to: Iso;
  /** null: fewer than five, which is not told. */
  reports: number | null;
  before: number | null;
  topics: { word: string; now: number; before: number }[];
  mood: {
    /** null: not learnt yet. */
    tone: Sense | null;
    urgency: Sense | null;
    areas: { area: { id: string; name: string }; reports: number; displeasure: number | null; urgency: number | null }[];
  };
  hotspots: { areas: { id: string; name: string }[]; since: Iso; reports: number; expected: number; chance: number }[];
}

export const useTopics = (area: MaybeRefOrGetter<string>) =>
  useQuery({
    queryKey: computed(() => ["topics", toValue(area)]),
    queryFn: ({ signal }) => api.get<Topics>("/topics", { area: toValue(area) }, signal),
    staleTime: 300_000,
  });

const LOOK_MS = 2_000;
/** Asked again while it learns. */
export const useLearning = () =>
  useQuery({
    queryKey: ["routing"],
    queryFn: ({ signal }) => api.get<Learning>("/routing", {}, signal),
    refetchInterval: (query) => (query.state.data?.under_way ? LOOK_MS : false),
  });
