// The queue of what was done and is not sent yet: order, what an answer means, and what may become of a refusal.
// Pure: it neither stores nor sends. Nothing leaves the queue but by being sent or by its owner's twice-said word.
import type { CaseAction, CaseState } from "@/api/case-types";
import type { Iso, Position, Problem, Text } from "@/api/types";

export type DeedKind = "verify_pass" | "verify_fail" | "take_check" | "check_pass" | "check_fail" | "remark" | "report";
export type PhotoKind = "near" | "far" | "before" | "after" | "reference";

export interface Photo {
  /** Of the picture on this phone. */
  id: string;
  kind: PhotoKind;
  at: Iso;
  position: Position | null;
  /** What the server calls it, once it has it. */
  hash: string | null;
}

/** How the case stood when the server refused. */
export interface Standing {
  seq: number;
  state: CaseState;
  state_name: Text;
  actions: CaseAction[];
  /** The last that happened: what, by whom, when. */
  last: { name: Text; actor: string; at: Iso } | null;
}

export interface Deed {
  /** Random; the server does what comes under one key once. */
  key: string;
  /** Place in the order of deeds. */
  n: number;
  account: string;
  kind: DeedKind;
  /** null for a report: it has no number yet. */
  case_id: string | null;
  /** Of the case, or of what is reported: to know it again in the list. */
  title: Text;
  words: string;
  /** Of a report. */
  type: string | null;
  area: string | null;
  position: Position | null;
  photos: Photo[];
  /** The newest event of the case that its doer knew of. */
  seen: number | null;
  at: Iso;
  state: "waiting" | "sending" | "sent" | "refused";
  /** Whether it was ever under way: then the server may have it though no answer came. */
  tried: boolean;
  /** Why it was refused, or why it is still waiting. */
  problem: Problem | null;
  standing: Standing | null;
  sent_at: Iso | null;
}

export type Draft = Pick<Deed, "kind" | "case_id" | "title" | "words" | "type" | "area" | "position" | "photos" | "seen">;

/** Steps whose words are a reason that must be given. */
export const NEEDS_WORDS: readonly DeedKind[] = ["verify_fail", "check_fail"];

export const begin = (draft: Draft, account: string, key: string, n: number, at: Iso): Deed => ({
  ...draft, account, key, n, at, state: "waiting", tried: false, problem: null, standing: null, sent_at: null,
});

/** What must stay in order: the deeds of one case. */
const chain = (deed: Deed): string => deed.case_id ?? deed.key;

/** What is sent next: the oldest that waits, unless an older one of the same case was refused or put off. */
export function nextOf(deeds: Deed[], account: string, putOff: ReadonlySet<string> = new Set()): Deed | null {
  const stopped = new Set<string>();
  for (const deed of [...deeds].sort((a, b) => a.n - b.n)) {
    if (deed.account !== account || deed.state === "sent") continue;
    if (deed.state === "refused" || putOff.has(deed.key)) stopped.add(chain(deed));
    else if (!stopped.has(chain(deed))) return deed;
  }
  return null;
}

/** True when it waits for an older one of the same case that was refused. */
export const heldBehind = (deeds: Deed[], deed: Deed): boolean =>
  deed.state === "waiting" && deeds.some((other) => other.n < deed.n && other.state === "refused" && other.account === deed.account && chain(other) === chain(deed));

/** What a failed delivery means: no answer or none of ours (try later, all of it), a server in trouble (this one later), a refusal. */
export function meaning(problem: Problem): "no_network" | "signed_out" | "later" | "refused" {
  if (problem.status === 0) return "no_network";
  if (problem.status === 401) return "signed_out";
  // A refusal of ours has a number; what a proxy in between says decides nothing.
  if (problem.status >= 500 || problem.status === 408 || problem.status === 429 || !problem.code) return "later";
  return "refused";
}

/** Where a deed goes and what it says. */
export function requestOf(deed: Deed): { path: string; body: Record<string, unknown> } {
  const photos = deed.photos.map(({ kind, hash, at, position }) => ({ kind, hash, at, position }));
  const words = deed.words.trim();
  if (deed.kind === "report") {
    const place = deed.position ? { position: deed.position } : { area: deed.area };
    return { path: "/cases", body: { ...(deed.type ? { type: deed.type } : {}), ...place, description: words, photos } };
  }
  const said = words ? { [NEEDS_WORDS.includes(deed.kind) ? "reason" : "note"]: words } : {};
  const seen = deed.kind === "remark" || deed.seen === null ? {} : { seen: deed.seen };
  return { path: `/cases/${encodeURIComponent(deed.case_id ?? "")}/${deed.kind}`, body: { ...said, ...seen, photos } };
}

/** All deeds after one of them was taken: later ones of the same case were done knowing of it. */
export function afterSent(deeds: Deed[], key: string, answer: { id: string; seq: number }, at: Iso): Deed[] {
  const sent = deeds.find((deed) => deed.key === key);
  return deeds.map((deed) => {
    if (deed.key === key) return { ...deed, state: "sent", problem: null, standing: null, case_id: answer.id, sent_at: at };
    const follows = sent && deed.account === sent.account && deed.case_id === answer.id && deed.state === "waiting" && deed.n > sent.n;
    return follows && deed.seen !== null && deed.seen < answer.seq ? { ...deed, seen: answer.seq } : deed;
  });
}

/** Photos to be sent again: the server does not keep for ever what no step named. */
const unsent = (photos: Photo[]): Photo[] => photos.map((photo) => ({ ...photo, hash: null }));

/** The same deed once more, now knowing how the case stands. The key stays: should the first have been taken after all, this is not a second. */
export const tryAgain = (deed: Deed): Deed => ({
  ...deed, photos: unsent(deed.photos), state: "waiting", problem: null, seen: deed.standing && deed.seen !== null ? deed.standing.seq : deed.seen, standing: null,
});

/** The words and photos of a refused step as a remark on the case. It is another deed, so it has another key. */
export const asRemark = (deed: Deed, key: string, prefix: string): Deed => ({
  ...deed, key, photos: unsent(deed.photos), kind: "remark", words: [prefix, deed.words.trim()].filter(Boolean).join("："), seen: null, state: "waiting", tried: false, problem: null, standing: null,
});

/** A report whose place lies outside the worker's area, sent for the area; the place goes into the words. */
export const withoutPlace = (deed: Deed): Deed => ({
  ...deed,
  words: deed.position ? `${deed.words.trim()} (${deed.position[0].toFixed(5)}, ${deed.position[1].toFixed(5)})`.trim() : deed.words,
  photos: unsent(deed.photos), position: null, state: "waiting", problem: null,
});

/** Only what certainly was not taken may be taken back. */
export const mayDrop = (deed: Deed): boolean => deed.state === "refused" || (deed.state === "waiting" && !deed.tried);

/** Deeds as they were left: one that was being sent when the page ended waits again, under its own key. */
export const asLeft = (deeds: Deed[]): Deed[] => deeds.map((deed) => (deed.state === "sending" ? { ...deed, state: "waiting" } : deed));

/** The newest step, not yet sent or refused, that was taken on a case. */
export const pendingOf = (deeds: Deed[], caseId: string, account: string): Deed | null =>
  deeds.filter((deed) => deed.case_id === caseId && deed.account === account && deed.state !== "sent" && deed.kind !== "remark").sort((a, b) => b.n - a.n)[0] ?? null;

export const counts = (deeds: Deed[], account: string): { waiting: number; refused: number } => {
  const mine = deeds.filter((deed) => deed.account === account);
  return { waiting: mine.filter((deed) => deed.state === "waiting" || deed.state === "sending").length, refused: mine.filter((deed) => deed.state === "refused").length };
};
