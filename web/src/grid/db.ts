// What the phone keeps: deeds and their photos until they are sent, walks until they are sent, and, while somebody is
// signed in, their task list so that it can be read without a network. Nothing else reads or writes this database.
import type { Deed } from "./queue";
import type { Walk } from "./patrol";

const NAME = "chengmai-grid";
const STORES = ["deeds", "photos", "walks", "kept"] as const;
type Store = (typeof STORES)[number];

let opened: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
    request.onsuccess = () => {
      // The browser may close it under pressure; the next call opens it anew.
      request.result.onclose = () => (opened = null);
      resolve(request.result);
    };
    request.onerror = () => {
      opened = null;
      reject(request.error);
    };
  });
  return opened;
}

const answerOf = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function read<T>(store: Store, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await open();
  return answerOf(ask(db.transaction(store).objectStore(store)));
}

/** Writes all or nothing, and answers when it is on the phone's disk. */
async function write(stores: Store[], change: (store: (name: Store) => IDBObjectStore) => void): Promise<void> {
  const db = await open();
  const tx = db.transaction(stores, "readwrite", { durability: "strict" });
  const done = new Promise<void>((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error ?? new DOMException("aborted", "AbortError"));
  });
  change((name) => tx.objectStore(name));
  return done;
}

export const allDeeds = (): Promise<Deed[]> => read("deeds", (store) => store.getAll() as IDBRequest<Deed[]>);
export const picture = (id: string): Promise<Blob | undefined> => read("photos", (store) => store.get(id) as IDBRequest<Blob | undefined>);

/** How many deeds of an account are not the server's yet. */
export const unsentOf = async (account: string): Promise<number> => {
  const deeds = await allDeeds().catch(() => []);
  return deeds.filter((deed) => deed.account === account && deed.state !== "sent").length;
};

/** Keeps deeds, with the pictures that came with them, and lets go of others. */
export const keepDeeds = (deeds: Deed[], pictures: ReadonlyMap<string, Blob> = new Map(), gone: Deed[] = []): Promise<void> =>
  write(["deeds", "photos"], (store) => {
    // A deed that is let go and comes back under another key keeps its pictures.
    const needed = new Set(deeds.flatMap((deed) => deed.photos.map((photo) => photo.id)));
    for (const deed of gone) {
      store("deeds").delete(deed.key);
      for (const photo of deed.photos) if (!needed.has(photo.id)) store("photos").delete(photo.id);
    }
    for (const deed of deeds) store("deeds").put(plain(deed), deed.key);
    for (const [id, blob] of pictures) store("photos").put(blob, id);
  });

/** Keeps that a deed was sent; its pictures are the server's now. */
export const keepSent = (deeds: Deed[], sent: Deed): Promise<void> =>
  write(["deeds", "photos"], (store) => {
    for (const deed of deeds) store("deeds").put(plain(deed), deed.key);
    for (const photo of sent.photos) store("photos").delete(photo.id);
  });

export const allWalks = (): Promise<Walk[]> => read("walks", (store) => store.getAll() as IDBRequest<Walk[]>);
export const keepWalk = (walk: Walk): Promise<void> => write(["walks"], (store) => void store("walks").put(plain(walk), walk.key));
export const dropWalk = (key: string): Promise<void> => write(["walks"], (store) => void store("walks").delete(key));

export const kept = <T>(name: string): Promise<T | undefined> => read("kept", (store) => store.get(name) as IDBRequest<T | undefined>);
export const keep = (name: string, value: unknown): Promise<void> => write(["kept"], (store) => void store("kept").put(plain(value), name));

/** Signed out: the task list and who it was go; what is not sent yet stays until its owner signs in again. */
export const forget = (): Promise<void> => write(["kept"], (store) => void store("kept").clear());

/** Without the screens' own wrappers, which cannot be stored. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
