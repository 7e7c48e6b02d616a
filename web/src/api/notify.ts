// Shapes of subscriptions and deliveries: who outside is told of what, and what became of it.
import type { Iso, Text } from "./types";

export const CHANNELS = ["webhook", "wecom", "dingtalk", "sms", "email"] as const;
export type Channel = (typeof CHANNELS)[number];
export const MATTERS = ["arrived", "step", "returned", "urged", "supervised", "ended", "due_soon", "overdue", "warning"] as const;
export type Matter = (typeof MATTERS)[number];

export interface Subscription {
  id: string;
  name: string;
  channel: Channel;
  /** Without what may be a secret. */
  address: string;
  recipients: string;
  template: string | null;
  matters: Matter[];
  severity_min: number;
  agency: string | null;
  area: string;
  language: string;
  active: boolean;
  stopped: string | null;
  made_by: string;
  made_at: Iso;
}

/** What is asked for; an address or secret left out of a change stays. */
export interface NewSubscription {
  name: string;
  channel: Channel;
  address: string | null;
  recipients: string;
  template: string | null;
  secret: string | null;
  matters: Matter[];
  severity_min: number;
  agency: string | null;
  area: string;
  language: string;
  active: boolean;
}

export interface MadeSubscription {
  subscription: Subscription;
  secret: string | null;
}

export interface Delivery {
  id: string;
  /** Null: to a citizen. */
  subscription: string | null;
  what: string;
  /** What happened, and to what kind of thing. */
  event: Text;
  name: Text;
  object: string;
  area: string;
  state: "waiting" | "sent" | "dead";
  attempts: number;
  made_at: Iso;
  tried_at: Iso | null;
  next_at: Iso | null;
  fault: string | null;
}
