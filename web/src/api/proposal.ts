// The shape of proposals for a report, as types.ts has the others, and the question about them.
import { keepPreviousData, useQuery } from "@tanstack/vue-query";
import { computed, toValue, type MaybeRefOrGetter } from "vue";
import { api } from "./client";
import type { Iso, Text } from "./types";

export interface LikelyType {
  type: string;
  name: Text;
  probability: number;
}

export interface Responsible {
  id: string;
  name: Text;
  /** False for power, telecom, railway and the like. */
  municipal: boolean;
  owner: Text | null;
  reason: Text;
}

export interface NearCase {
  id: string;
  type_name: Text;
  description: string;
  state: string;
  state_name: Text;
  reported_at: Iso;
  joined: number;
  probability: number;
}

export interface Proposal {
  types: LikelyType[];
  decided: string | null;
  responsible: Responsible | null;
  near: NearCase[];
}

export interface Asked {
  text: string;
  area: string;
  type?: string | undefined;
  position?: [number, number] | undefined;
  /** The case it is about, which is not the same as itself. */
  case?: string | undefined;
}

/** What is proposed for these words; nothing is asked before there are some, or a type. */
export const useProposal = (asked: MaybeRefOrGetter<Asked>) =>
  useQuery({
    queryKey: computed(() => ["proposal", toValue(asked)]),
    queryFn: () => api.post<Proposal>("/proposals", toValue(asked)),
    enabled: () => toValue(asked).text.trim().length > 1 || Boolean(toValue(asked).type),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
