// What a reader can change. Each action mends the answers on screen with what the server sent back.
import { useQueryClient } from "@tanstack/vue-query";
import { api, segment } from "./client";
import { replaceById, mergeOpen } from "./live";
import type { Case, CaseAction, CaseDetail, CaseRequest, List, Warning } from "./types";
import type { InfiniteData } from "@tanstack/vue-query";

export interface FileRequest {
  case_type?: string;
  row?: number;
  agency?: string;
  note?: string;
}

export interface NewCase {
  type: string;
  row: number;
  area: string;
  description: string;
  agency?: string;
  severity?: number;
}

export function useActions() {
  const cache = useQueryClient();

  function keepWarning(warning: Warning): void {
    const changed = new Map([[warning.id, warning]]);
    cache.setQueryData(["warning", warning.id], warning);
    cache.setQueriesData<List<Warning>>({ queryKey: ["warnings", "open"] }, (old) =>
      old ? { ...old, items: mergeOpen(old.items, changed) } : old,
    );
    cache.setQueriesData<InfiniteData<List<Warning>>>({ queryKey: ["warnings", "list"] }, (old) =>
      old && { ...old, pages: old.pages.map((page) => ({ ...page, items: replaceById(page.items, changed) })) },
    );
  }

  async function touchCases(item: Case): Promise<void> {
    await Promise.all([
      cache.invalidateQueries({ queryKey: ["cases"] }),
      cache.invalidateQueries({ queryKey: ["case", item.id] }),
    ]);
  }

  const answer = (id: string, verb: "confirm" | "dismiss" | "file", body: object) =>
    api.post<{ warning: Warning; case: Case | null }>(`/warnings/${segment(id)}/${verb}`, body);

  return {
    async confirm(id: string, note?: string): Promise<Warning> {
      const { warning } = await answer(id, "confirm", note ? { note } : {});
      keepWarning(warning);
      return warning;
    },
    async dismiss(id: string, reason: string): Promise<Warning> {
      const { warning } = await answer(id, "dismiss", { reason });
      keepWarning(warning);
      return warning;
    },
    async file(id: string, request: FileRequest): Promise<Case | null> {
      const result = await answer(id, "file", request);
      keepWarning(result.warning);
      if (result.case) await touchCases(result.case);
      return result.case;
    },
    async act(id: string, action: CaseAction, request: CaseRequest): Promise<CaseDetail> {
      const item = await api.post<CaseDetail>(`/cases/${segment(id)}/${action}`, request);
      await touchCases(item);
      return item;
    },
    async create(request: NewCase): Promise<Case> {
      const item = await api.post<Case>("/cases", request);
      await touchCases(item);
      return item;
    },
  };
}
