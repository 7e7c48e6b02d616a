// What a step of a case asks for and where it stands among the others. Whether it is allowed is the server's word;
// the reasons asked for here are those of the standard procedure, and a pack's own may ask for more.
import { ASIDE, BEFORE_FILING, ENDED, type CaseAction, type CaseClock, type CaseDetail, type CaseRequest, type CaseState, type Light, type PhotoKind, type StepPhoto } from "@/api/case-types";

export type Field =
  | "agency"
  | "agency_optional"
  | "part"
  | "level"
  | "area_below"
  | "area_beside"
  | "standard"
  | "limit"
  | "limit_optional"
  | "until"
  | "event_level"
  | "form"
  | "plan"
  | "other"
  | "stage"
  | "stars";
/** Whether words go with a step: they must, they may, or there is nothing to say. */
export type WordsAsked = "reason" | "note" | "note_optional";

const FIELDS: Partial<Record<CaseAction, Field[]>> = {
  file: ["standard", "agency_optional"],
  dispatch: ["agency"],
  ask_delay: ["limit"],
  ask_suspend: ["until"],
  hand_up: ["level"],
  hand_down: ["level", "area_below"],
  admit: ["agency"],
  involve: ["agency", "limit_optional"],
  drop_part: ["part"],
  dispute: ["agency_optional"],
  arbitrate: ["agency"],
  appeal: ["stage"],
  grade: ["event_level"],
  report_up: ["form"],
  fire_plan: ["plan"],
  merge: ["other"],
  rate: ["stars"],
};

const REASONED = new Set<CaseAction>([
  "verify_fail", "refuse", "return", "check_fail", "force_close", "cancel", "ask_delay", "ask_suspend", "deny", "supervise",
  "hand_up", "hand_down", "hand_sideways", "admit", "refuse_part", "drop_part", "dispute", "arbitrate", "appeal",
  "uphold_appeal", "reject_appeal", "grade", "fire_plan", "stand_down", "merge", "unmerge", "reopen",
]);
/** Steps that need a reason only when nobody found on site what was reported. */
const REASONED_UNVERIFIED = new Set<CaseAction>(["accept", "file"]);
/** Steps whose words are their substance, though the table does not call them a reason. */
const WORDED = new Set<CaseAction>(["finish", "involve", "remark"]);

export function fieldsOf(action: CaseAction, state: CaseState): Field[] {
  // Only what lies with an agency can be handed to another agency; before that it goes to another centre.
  if (action === "hand_sideways") return state === "dispatched" ? ["agency_optional", "area_beside"] : ["area_beside"];
  return FIELDS[action] ?? [];
}

export function wordsAsked(action: CaseAction, state: CaseState): WordsAsked {
  if (REASONED.has(action) || (state === "unverified" && REASONED_UNVERIFIED.has(action))) return "reason";
  return WORDED.has(action) ? "note" : "note_optional";
}

/** What somebody has typed and chosen for a step. */
export interface Draft {
  words: string;
  agency: string;
  level: string;
  area: string;
  type: string;
  row: number | null;
  amount: number | null;
  unit: string;
  /** The end of the day chosen, as a moment. */
  until: string;
  event_level: string;
  form: string;
  plan: string;
  other: string;
  stage: string;
  stars: number;
}

export const emptyDraft = (): Draft => ({
  words: "", agency: "", level: "", area: "", type: "", row: null, amount: null, unit: "work_day", until: "",
  event_level: "", form: "", plan: "", other: "", stage: "", stars: 0,
});

const isCount = (amount: number | null): boolean => amount !== null && Number.isInteger(amount) && amount > 0;

function isFilled(field: Field, draft: Draft): boolean {
  switch (field) {
    case "agency":
    case "part":
      return draft.agency !== "";
    case "standard":
      return draft.type !== "" && draft.row !== null;
    case "limit":
      return isCount(draft.amount);
    case "limit_optional":
      return draft.amount === null || isCount(draft.amount);
    case "agency_optional":
    case "area_below":
    case "area_beside":
    case "plan":
      return true;
    case "stars":
      return draft.stars >= 1;
    default:
      return draft[field] !== "";
  }
}

/** Whether everything is there that the step needs. */
export function isComplete(action: CaseAction, state: CaseState, draft: Draft, words: WordsAsked): boolean {
  const fields = fieldsOf(action, state);
  if (words !== "note_optional" && draft.words.trim() === "") return false;
  // Handed to a centre or to an agency: one of the two.
  if (action === "hand_sideways" && (draft.area.trim() !== "") === (fields.includes("agency_optional") && draft.agency !== "")) return false;
  return fields.every((field) => isFilled(field, draft));
}

/** The request that a draft means: only what the step asks for. */
export function requestOf(action: CaseAction, state: CaseState, draft: Draft, words: WordsAsked): CaseRequest {
  const request: CaseRequest = {};
  const said = draft.words.trim();
  if (said) request[words === "reason" ? "reason" : "note"] = said;
  for (const field of fieldsOf(action, state)) {
    if (field === "agency" || field === "agency_optional" || field === "part") {
      if (draft.agency) request.agency = draft.agency;
    } else if (field === "area_below" || field === "area_beside") {
      if (draft.area.trim()) request.area = draft.area.trim();
    } else if (field === "standard") {
      request.type = draft.type;
      if (draft.row !== null) request.row = draft.row;
    } else if (field === "limit" || field === "limit_optional") {
      if (isCount(draft.amount)) request.limit = `${draft.amount} ${draft.unit}`;
    } else if (field === "stars") request.stars = draft.stars;
    else if (draft[field].trim()) Object.assign(request, { [field]: draft[field].trim() });
  }
  return request;
}

/** The kind of photo that goes with a step as a rule; of the others photos are not asked for. */
const PHOTOGRAPHED: Partial<Record<CaseAction, PhotoKind>> = {
  verify_pass: "near", verify_fail: "far", start: "before", finish: "after", return: "near", check_pass: "after", check_fail: "near",
  finish_part: "after", refuse_part: "near", dispute: "near", appeal: "near", remark: "near", reopen: "near",
};

/** Whether photos may go along with a step, and of which kind the next one probably is. */
export function photoKind(action: CaseAction, needed: PhotoKind[], photos: Pick<StepPhoto, "kind">[]): PhotoKind | null {
  const lacking = needed.find((kind) => !photos.some((photo) => photo.kind === kind));
  return lacking ?? PHOTOGRAPHED[action] ?? needed[0] ?? null;
}

/** The kinds that a step needs and that are not there yet with time and place. */
export const lackingPhotos = (needed: PhotoKind[], photos: StepPhoto[]): PhotoKind[] =>
  needed.filter((kind) => !photos.some((photo) => photo.kind === kind && photo.at !== null && photo.position !== null));

/** Steps that end something for good; they are confirmed. */
export const isFinal = (action: CaseAction): boolean => ["refuse", "cancel", "force_close", "drop_part"].includes(action);

/** The way a case goes when nothing special happens. */
const USUAL: CaseAction[] = ["accept", "verify_pass", "file", "dispatch", "start", "finish", "take_check", "check_pass", "close", "resume", "start_part", "finish_part"];
/** Answers to something on record; they stand beside it. */
const BESIDE: CaseAction[] = ["grant", "deny", "arbitrate", "report_up", "uphold_appeal", "reject_appeal", "stand_down", "unmerge"];
const GROUPS: [name: string, actions: CaseAction[]][] = [
  ["time", ["ask_delay", "ask_suspend", "urge", "supervise"]],
  ["centres", ["hand_up", "hand_down", "hand_sideways"]],
  ["agencies", ["refuse_part", "involve", "drop_part", "admit", "dispute"]],
  ["appeal", ["appeal"]],
  ["emergency", ["grade", "fire_plan"]],
  ["merging", ["merge"]],
  ["other", ["remark", "join", "rate", "reopen", "cancel", "force_close"]],
];

/** The steps offered, in order: the next usual one, its alternatives, and all others by group. */
export function arrange(actions: CaseAction[]): { next: CaseAction | null; beside: CaseAction[]; groups: { name: string; actions: CaseAction[] }[] } {
  const next = USUAL.find((action) => actions.includes(action)) ?? null;
  const grouped = new Set([...GROUPS.flatMap(([, group]) => group), ...BESIDE]);
  const beside = actions.filter((action) => action !== next && !grouped.has(action));
  const groups = GROUPS.map(([name, group]) => ({ name, actions: group.filter((action) => actions.includes(action)) }));
  return { next, beside, groups: groups.filter((group) => group.actions.length > 0) };
}

export const isEnded = (state: CaseState): boolean => (ENDED as readonly string[]).includes(state);
export const isBeforeFiling = (state: CaseState): boolean => (BEFORE_FILING as readonly string[]).includes(state);
export const isAside = (state: CaseState): boolean => (ASIDE as readonly string[]).includes(state);

/** Colour of a clock and share of its time used at a moment, as the server counts them: 80 % when it turns yellow. */
export function clockAt(clock: Pick<CaseClock, "started_at" | "yellow_at" | "due_at">, now: number): { light: Light; used: number; left: number } {
  const [start, yellow, due] = [clock.started_at, clock.yellow_at, clock.due_at].map((at) => Date.parse(at)) as [number, number, number];
  const part = (from: number, to: number): number => Math.max(0, now - from) / Math.max(1, to - from);
  const used = now < yellow ? 0.8 * part(start, yellow) : 0.8 + 0.2 * part(yellow, due);
  return { light: now > due ? "red" : now >= yellow ? "yellow" : "green", used: Math.min(1, used), left: due - now };
}

/** Stages whose breach this agency may still appeal against, the latest first. */
export function appealable(item: Pick<CaseDetail, "clocks" | "circumstances">, agency: string | null): CaseDetail["clocks"] {
  const seen = new Set<string>(item.circumstances.appeals.map((appeal) => appeal.stage));
  return [...item.clocks].reverse().filter((row) => {
    if (!row.overdue || agency === null || row.agency !== agency || seen.has(row.stage)) return false;
    seen.add(row.stage);
    return true;
  });
}

/** The place of a state on the way from report to closing; what lies aside stands where it stood before. */
export const WAY_IN = ["reported", "accepted", "verified", "filed"] as const;
export const WAY = ["filed", "dispatched", "handling", "handled", "checked", "closed"] as const;
const PLACE: Partial<Record<CaseState, (typeof WAY)[number] | (typeof WAY_IN)[number]>> = {
  unverified: "accepted", returned: "filed", rework: "dispatched", checking: "handled", forced_closed: "closed",
};

export function wayOf(state: CaseState, before: CaseState | null): { steps: readonly string[]; here: number; aside: boolean } {
  const aside = isAside(state) || state === "cancelled" || state === "not_accepted";
  const stands: CaseState = aside ? (before ?? (state === "not_accepted" ? "reported" : "filed")) : state;
  const steps = isBeforeFiling(stands) ? WAY_IN : WAY;
  return { steps, here: Math.max(0, (steps as readonly string[]).indexOf(PLACE[stands] ?? stands)), aside };
}

/** The last second of a day (`2026-11-23`) in a city's time zone, as a moment; empty when it is no day. */
export function endOfDay(day: string, timeZone: string): string {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!parts) return "";
  const wanted = Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]), 23, 59, 59);
  const format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
  const shown = (moment: number): number => {
    const part = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)])) as Record<string, number>;
    return Date.UTC(part.year ?? 0, (part.month ?? 1) - 1, part.day, part.hour, part.minute, part.second);
  };
  // Twice, because the offset at the first guess may not be the one that holds on that evening.
  let moment = wanted;
  for (let i = 0; i < 2; i += 1) moment += wanted - shown(moment);
  return new Date(moment).toISOString();
}

/** The day after a moment in a city's time zone, as a date field wants it. */
export const dayAfter = (moment: number, timeZone: string): string =>
  new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" }).format(moment + 86_400_000);
