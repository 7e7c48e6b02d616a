// The service worker: the grid worker's page opens without a network. Vite fills in what stands in capitals.
// It keeps files of the program and nothing else. No answer of /api goes through it, so no data of anybody lies in its
// cache; what a page needs of those without a network it keeps itself and wipes at sign-out (src/grid/db.ts).
const CACHE = "chengmai-__VERSION__";
const FILES = __FILES__;
/** Pages that the server makes; they are never answered from here. */
const SERVER = /^\/(api|report|track|public|open311|healthz|readyz|metrics)(\/|$)/;
const ANSWER_MS_MAX = 5_000;

self.addEventListener("install", (event) => {
  // Past the browser's own cache: these are the files of this version.
  const fresh = FILES.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)));
});

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => names.filter((name) => name.startsWith("chengmai-") && name !== CACHE));
  event.waitUntil(old.then((names) => Promise.all(names.map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || SERVER.test(url.pathname)) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/")) event.respondWith(asset(request));
  else if (FILES.includes(url.pathname)) event.respondWith(fetch(request).catch(() => kept(url.pathname)));
});

/** The page as the server has it; as it was kept when the server does not answer soon. */
async function page(request) {
  try {
    return await fetch(request, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  } catch {
    return kept("/index.html");
  }
}

/** Names of assets change with what is in them, so a kept one is right for ever. */
async function asset(request) {
  const found = await caches.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(CACHE)).put(request, answer.clone());
  return answer;
}

const kept = async (path) => (await caches.match(path)) ?? Response.error();
