// Drafts: what the program of an assistant proposes, which a person approves or declines.
import { useQuery } from "@tanstack/vue-query";
import { toValue, type MaybeRefOrGetter } from "vue";
import { api } from "./client";
import type { Iso, List, Text } from "./types";

export interface Draft {
  id: number;
  /** A step of a case, or new_case. */
  action: string;
  action_name: Text;
  case: string | null;
  title: Text | null;
  area: string;
  area_name: string;
  path: string;
  /** What would be said along with it. */
  body: Record<string, unknown>;
  reason: string;
  made_by: string;
  made_at: Iso;
  until: Iso;
  state: "waiting" | "approved" | "declined" | "lapsed";
  decided_by: string | null;
  decided_at: Iso | null;
  remark: string | null;
  outcome: string | null;
  may_approve: boolean;
}

/** Those that wait; looked at again every few seconds, for a program may propose at any time. */
export const useDrafts = (area: MaybeRefOrGetter<string>) =>
  useQuery({
    queryKey: ["drafts", () => toValue(area)],
    queryFn: ({ signal }) => api.get<List<Draft>>("/drafts", { area: toValue(area) }, signal),
    refetchInterval: 15_000,
  });

export const approveDraft = (id: number) => api.post<Draft>(`/drafts/${id}/approve`);
export const declineDraft = (id: number, reason: string) => api.post<Draft>(`/drafts/${id}/decline`, { reason });
