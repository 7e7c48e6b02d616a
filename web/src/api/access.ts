// Accounts, sessions, second factors, emergencies and the audit, as the server tells them.
import { useQuery } from "@tanstack/vue-query";
import { toValue, type MaybeRefOrGetter } from "vue";
import { api, segment } from "./client";
import type { Iso, List, Permission } from "./types";

export const PURPOSES = ["handle", "review", "law", "statistics"] as const;
export type Purpose = (typeof PURPOSES)[number];

/** A session or token. */
export interface Token {
  id: string;
  kind: "session" | "api";
  label: string | null;
  permissions: Permission[] | null;
  area: string | null;
  device: string | null;
  created_at: Iso;
  expires_at: Iso | null;
  seen_at: Iso | null;
  seen_from: string | null;
  second_factor: boolean;
  is_this_one: boolean;
}

export interface Factor {
  is_set: boolean;
  recovery_left: number;
}

/** The identity provider, and since when one's own account is linked to it. */
export interface Link {
  name: string | null;
  linked_at: Iso | null;
}

/** A second factor that was begun; shown once. */
export interface Begun {
  secret: string;
  uri: string;
  svg: string;
}

export interface Contact {
  reporter: string;
  at: Iso;
  app: string | null;
  language: string;
  name: string | null;
  phone: string | null;
  email: string | null;
  mails: boolean;
  words: string | null;
  erased_at: Iso | null;
}

export interface Emergency {
  id: number;
  user: string;
  area: string;
  wanted: string;
  wanted_name: string;
  reason: string;
  at: Iso;
  until: Iso;
  ended_at: Iso | null;
  review_due: Iso;
  review: { at: Iso; by: string; was_right: boolean; remark: string } | null;
}

export interface AuditLine {
  at: Iso;
  who: string;
  what: string;
  object: string;
  detail: string;
}

/** Sessions and tokens of an account; of one's own when there is no name. */
export const useTokens = (name: MaybeRefOrGetter<string | null>) =>
  useQuery({
    queryKey: ["tokens", () => toValue(name)],
    queryFn: ({ signal }) => api.get<List<Token>>(tokensOf(toValue(name)), {}, signal),
  });

export const tokensOf = (name: string | null): string => (name === null ? "/session/all" : `/users/${segment(name)}/tokens`);

export const useFactor = () =>
  useQuery({ queryKey: ["factor"], queryFn: ({ signal }) => api.get<Factor>("/session/second-factor", {}, signal) });
export const useLink = () =>
  useQuery({ queryKey: ["link"], queryFn: ({ signal }) => api.get<Link>("/session/provider", {}, signal) });

export const useEmergencies = (enabled: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: ["emergencies"],
    queryFn: ({ signal }) => api.get<List<Emergency>>("/emergencies", {}, signal),
    enabled: () => toValue(enabled),
  });
