// The grid worker's day: tasks, the queue of what is not sent yet, and sending it. What is on screen is on the phone's disk
// first; one page at a time sends, and the server knows each deed by its key.
import { defineStore } from "pinia";
import { computed, ref, shallowRef, watch } from "vue";
import { ApiError, api, segment } from "@/api/client";
import type { CaseDetail, CaseAction } from "@/api/case-types";
import type { Case, CaseType, Iso, List, Position, Problem, Severity, Shapes, Text } from "@/api/types";
import * as phone from "@/grid/db";
import { lasted, withPoint, type Walk } from "@/grid/patrol";
import * as queue from "@/grid/queue";
import { useSession } from "./session";

/** What the phone keeps of a task: what its worker needs, and no more. */
export interface Task {
  id: string;
  seq: number;
  type: string;
  title: Text;
  description: string;
  severity: Severity;
  state: Case["state"];
  state_name: Text;
  area: string;
  area_name: string;
  path: string;
  position: Position | null;
  clock: Case["clock"];
  actions: CaseAction[];
  simulated: boolean;
}

const taskOf = (row: Case): Task => ({
  id: row.id, seq: row.seq, type: row.type, title: row.title, description: row.description ?? "", severity: row.severity,
  state: row.state, state_name: row.state_name, area: row.area, area_name: row.area_name, path: row.path, position: row.position,
  clock: row.clock, actions: row.actions, simulated: row.simulated,
});

const TASKS_MAX = 200;
const ANSWER_MS_MAX = 30_000;
/** Sent deeds stay in the list so long: a day's work can be looked over. */
const SENT_KEPT_MS = 24 * 3_600_000;

const problemOf = (error: unknown): Problem => (error instanceof ApiError ? error.problem : { status: 0 });
const limit = (): AbortSignal => AbortSignal.timeout(ANSWER_MS_MAX);

export const useGrid = defineStore("grid", () => {
  const session = useSession();
  const account = computed(() => session.user?.name ?? "");
  const tasks = shallowRef<Task[]>([]);
  /** How many there are in all; the phone takes the soonest due. */
  const total = ref(0);
  const takenAt = ref<Iso | null>(null);
  const shapes = shallowRef<Shapes | null>(null);
  const types = shallowRef<CaseType[]>([]);
  const deeds = shallowRef<queue.Deed[]>([]);
  const walks = shallowRef<Walk[]>([]);
  const consent = ref(false);
  const here = shallowRef<Position | null>(null);
  const loaded = ref(false);
  const online = ref(navigator.onLine);
  const sending = ref(false);
  const refreshing = ref(false);
  /** The phone refuses to keep anything: then nothing may be shown as saved. */
  const broken = ref<unknown>(null);
  const counts = computed(() => {
    const { waiting, refused } = queue.counts(deeds.value, account.value);
    const unsent = ended.value.filter((walk) => !walk.problem).length;
    return { waiting: waiting + unsent, refused: refused + ended.value.length - unsent };
  });
  /** Walks that are over and not the server's yet. */
  const ended = computed(() => walks.value.filter((walk) => walk.account === account.value && walk.ended_at !== null));

  /** Changes to the queue one after the other: what is read from the disk never falls behind what was just added. */
  let last: Promise<unknown> = Promise.resolve();
  function alone<T>(change: () => Promise<T>): Promise<T> {
    const done = last.then(change);
    last = done.catch(() => undefined);
    return done;
  }

  const name = (what: string): string => `${what}:${account.value}`;

  const reread = (): Promise<void> =>
    alone(async () => {
      const old = Date.now() - SENT_KEPT_MS;
      const all = queue.asLeft(await phone.allDeeds());
      const gone = all.filter((deed) => deed.sent_at !== null && Date.parse(deed.sent_at) < old);
      if (gone.length > 0) await phone.keepDeeds([], undefined, gone);
      deeds.value = all.filter((deed) => !gone.includes(deed));
    });

  /** Reads what the phone has; asks the server afterwards. */
  async function open(): Promise<void> {
    try {
      await reread();
      walks.value = await phone.allWalks();
      const day = await phone.kept<{ tasks: Task[]; taken_at: Iso }>(name("tasks"));
      tasks.value = day?.tasks ?? [];
      takenAt.value = day?.taken_at ?? null;
      shapes.value = (await phone.kept<Shapes>(name("shapes"))) ?? null;
      types.value = (await phone.kept<CaseType[]>("types")) ?? [];
      consent.value = (await phone.kept<boolean>(name("consent"))) ?? false;
      await session.keepHere();
      // Without it a full phone may clear what is not sent yet.
      void navigator.storage?.persist?.();
    } catch (error) {
      broken.value = error;
    }
    loaded.value = true;
    await sync();
  }

  async function refresh(): Promise<void> {
    const [who, area] = [account.value, session.user?.area ?? ""];
    refreshing.value = true;
    try {
      const list = await api.get<List<Case>>("/cases", { mine: true, sort: "due", limit: TASKS_MAX }, limit());
      // Signed out meanwhile: nothing of it stays here.
      if (account.value !== who) return;
      tasks.value = list.items.map(taskOf);
      total.value = list.total;
      takenAt.value = new Date().toISOString();
      online.value = true;
      await phone.keep(name("tasks"), { tasks: tasks.value, taken_at: takenAt.value });
      if (!shapes.value) {
        shapes.value = await api.get<Shapes>(`/areas/${segment(area)}/shapes`, {}, limit());
        await phone.keep(name("shapes"), shapes.value);
      }
      if (types.value.length === 0) {
        types.value = (await api.get<List<CaseType>>("/case-types", {}, limit())).items;
        await phone.keep("types", types.value);
      }
      await session.keepHere();
    } catch (error) {
      if (problemOf(error).status === 0) online.value = false;
      else if (!(error instanceof ApiError)) broken.value = error;
    } finally {
      refreshing.value = false;
    }
  }

  /** Keeps a deed with its pictures; only then is it shown as saved. */
  async function add(draft: queue.Draft, pictures: Map<string, Blob>): Promise<void> {
    await alone(async () => {
      const n = Math.max(0, ...deeds.value.map((deed) => deed.n)) + 1;
      const deed = queue.begin(draft, account.value, crypto.randomUUID(), n, new Date().toISOString());
      await phone.keepDeeds([deed], pictures);
      deeds.value = [...deeds.value, deed];
    });
    void sync();
  }

  const put = (deed: queue.Deed): Promise<void> =>
    alone(async () => {
      await phone.keepDeeds([deed]);
      deeds.value = deeds.value.map((other) => (other.key === deed.key ? deed : other));
    });

  const tryAgain = async (deed: queue.Deed): Promise<void> => {
    await put(queue.tryAgain(deed));
    void sync();
  };
  const sendWithoutPlace = async (deed: queue.Deed): Promise<void> => {
    await put(queue.withoutPlace(deed));
    void sync();
  };
  async function exchange(old: queue.Deed, next: queue.Deed[]): Promise<void> {
    await alone(async () => {
      await phone.keepDeeds(next, undefined, [old]);
      deeds.value = [...deeds.value.filter((other) => other.key !== old.key), ...next];
    });
    void sync();
  }
  const sendAsRemark = (deed: queue.Deed, prefix: string): Promise<void> => exchange(deed, [queue.asRemark(deed, crypto.randomUUID(), prefix)]);
  const discard = async (deed: queue.Deed): Promise<void> => (queue.mayDrop(deed) ? exchange(deed, []) : undefined);

  /** Sends the pictures, then the deed. Whatever was sent before is known to the server and changes nothing. */
  async function deliver(deed: queue.Deed): Promise<CaseDetail> {
    let ready = deed;
    for (const photo of deed.photos) {
      if (photo.hash) continue;
      const picture = await phone.picture(photo.id);
      if (!picture) throw new ApiError({ status: 422, code: "E-408", detail: photo.id });
      const { hash } = await api.postPicture<{ hash: string }>("/photos", picture, limit());
      ready = { ...ready, photos: ready.photos.map((other) => (other.id === photo.id ? { ...other, hash } : other)) };
      await put(ready);
    }
    const { path, body } = queue.requestOf(ready);
    return api.postOnce<CaseDetail>(path, ready.key, body, limit());
  }

  /** How the case stands, for whoever has to decide what becomes of a refusal. */
  async function standing(deed: queue.Deed): Promise<queue.Standing | null> {
    if (!deed.case_id) return null;
    try {
      const found = await api.get<CaseDetail>(`/cases/${segment(deed.case_id)}`, {}, limit());
      const last = found.events.at(-1);
      return {
        seq: found.seq, state: found.state, state_name: found.state_name, actions: found.actions,
        last: last ? { name: last.name, actor: last.actor, at: last.at } : null,
      };
    } catch {
      return null;
    }
  }

  /** Sends what waits, in order. False when the network or the session ended before the queue did. */
  async function drain(): Promise<boolean> {
    const putOff = new Set<string>();
    for (let deed = next(putOff); deed; deed = next(putOff)) {
      const tried: queue.Deed = { ...deed, state: "sending", tried: true };
      await put(tried);
      try {
        const answer = await deliver(tried);
        await alone(async () => {
          const after = queue.afterSent(deeds.value, tried.key, answer, new Date().toISOString());
          await phone.keepSent(after.filter((other) => other.case_id === answer.id), tried);
          deeds.value = after;
        });
      } catch (error) {
        const problem = problemOf(error);
        const meaning = queue.meaning(problem);
        const left = deeds.value.find((other) => other.key === tried.key) ?? tried;
        if (meaning === "refused") await put({ ...left, state: "refused", problem, standing: await standing(left) });
        else await put({ ...left, state: "waiting", problem });
        if (meaning === "no_network") online.value = false;
        if (meaning === "no_network" || meaning === "signed_out") return false;
        putOff.add(tried.key);
      }
    }
    return sendWalks();
  }

  const next = (putOff: ReadonlySet<string>): queue.Deed | null => queue.nextOf(deeds.value, account.value, putOff);

  async function sendWalks(): Promise<boolean> {
    for (const walk of ended.value.filter((each) => !each.problem)) {
      try {
        if (lasted(walk.points) > 0) await api.postOnce("/patrols", walk.key, { key: walk.key, consent: true, points: walk.points }, limit());
        await dropWalk(walk);
      } catch (error) {
        const problem = problemOf(error);
        if (queue.meaning(problem) === "refused") await putWalk({ ...walk, problem });
        else {
          if (problem.status === 0) online.value = false;
          return false;
        }
      }
    }
    return true;
  }

  let asked = false;
  /** One page at a time; the others' turn comes with the next occasion. */
  async function sync(): Promise<void> {
    asked = true;
    if (sending.value || !account.value) return;
    sending.value = true;
    const mine = async (): Promise<void> => {
      await reread();
      if (await drain()) await refresh();
    };
    try {
      while (asked) {
        asked = false;
        if (navigator.locks) await navigator.locks.request("chengmai-grid", { ifAvailable: true }, (lock) => (lock ? mine() : undefined));
        else await mine();
      }
    } catch (error) {
      broken.value = error;
    } finally {
      sending.value = false;
    }
  }

  async function agree(yes: boolean): Promise<void> {
    consent.value = yes;
    await phone.keep(name("consent"), yes);
    if (!yes) await endWalk();
  }

  const walk = computed(() => walks.value.find((each) => each.account === account.value && each.ended_at === null) ?? null);

  async function putWalk(changed: Walk): Promise<void> {
    walks.value = [...walks.value.filter((each) => each.key !== changed.key), changed];
    await phone.keepWalk(changed);
  }

  async function dropWalk(gone: Walk): Promise<void> {
    walks.value = walks.value.filter((each) => each.key !== gone.key);
    await phone.dropWalk(gone.key);
  }

  async function beginWalk(): Promise<void> {
    if (consent.value && !walk.value) await putWalk({ key: crypto.randomUUID(), account: account.value, points: [], ended_at: null, problem: null });
  }

  async function endWalk(): Promise<void> {
    if (!walk.value) return;
    await putWalk({ ...walk.value, ended_at: Date.now() });
    void sync();
  }

  /** The receiver says where we are. */
  function at(position: Position, accuracy: number, ms: number): void {
    here.value = position;
    if (!walk.value || !consent.value) return;
    const changed = withPoint(walk.value, position, accuracy, ms);
    if (changed !== walk.value) void putWalk(changed);
  }

  watch(account, () => {
    [tasks.value, takenAt.value, shapes.value, walks.value, here.value, consent.value] = [[], null, null, [], null, false];
    loaded.value = false;
  });
  watch(online, (is, was) => is && !was && void sync());

  return {
    account, tasks, total, takenAt, ended, shapes, types, deeds, consent, here, walk, loaded, online, sending, refreshing, broken, counts,
    open, refresh, add, tryAgain, sendAsRemark, sendWithoutPlace, discard, sync, agree, beginWalk, endWalk, dropWalk, at,
  };
});
