// A thin client over fetch: builds the address, reads JSON, turns problem+json into one typed error.
// It knows nothing of screens, caches or languages.
import type { Problem } from "./types";

export type Params = Record<string, string | number | boolean | null | undefined>;

/** Every failed call ends as this: a refusal by the server (`status` > 0) or no answer at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${problem.status}`);
    this.name = "ApiError";
    this.status = problem.status;
    this.problem = problem;
  }
}

let onSignedOut: () => void = () => undefined;

/** Called whenever the server says that the session is no longer valid. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** `/api/v1` + path + the parameters that have a value. */
export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(key, String(value));
  }
  const text = query.toString();
  return `/api/v1${path}${text ? `?${text}` : ""}`;
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = { status: response.status, title: response.statusText };
  try {
    const body: unknown = await response.json();
    if (body && typeof body === "object") return { ...fallback, ...(body as Problem), status: response.status };
  } catch {
    // A proxy in between answers with HTML; the status is all there is to say then.
  }
  return fallback;
}

async function answerOf(method: string, url: string, init: RequestInit, quiet401 = false): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { method, credentials: "same-origin", ...init });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError({ status: 0 });
  }
  if (!response.ok) {
    const error = new ApiError(await problemOf(response));
    if (error.status === 401 && !quiet401) onSignedOut();
    throw error;
  }
  return response;
}

async function send<T>(method: string, url: string, init: RequestInit = {}, quiet401 = false): Promise<T> {
  const response = await answerOf(method, url, init, quiet401);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

const json = (body: unknown): RequestInit => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

export const api = {
  get: <T>(path: string, params?: Params, signal?: AbortSignal) =>
    send<T>("GET", address(path, params), { signal: signal ?? null }),
  /** As `get`, but a 401 is an answer, not the end of the session. */
  probe: <T>(path: string) => send<T>("GET", address(path), {}, true),
  post: <T>(path: string, body: unknown = {}, quiet401 = false) =>
    send<T>("POST", address(path), json(body), quiet401),
  put: <T>(path: string, body: unknown) => send<T>("PUT", address(path), json(body)),
  /** Something that is done once however often it is sent: the server knows the key again. */
  postOnce: <T>(path: string, key: string, body: unknown, signal: AbortSignal) =>
    send<T>("POST", address(path), { headers: { "content-type": "application/json", "idempotency-key": key }, body: JSON.stringify(body), signal }),
  postPicture: <T>(path: string, picture: Blob, signal: AbortSignal) =>
    send<T>("POST", address(path), { headers: { "content-type": picture.type || "application/octet-stream" }, body: picture, signal }),
  /** A question that may take long; aborting it tells the server to stop. */
  ask: <T>(path: string, body: unknown, signal: AbortSignal) => send<T>("POST", address(path), { ...json(body), signal }),
  postForFile: async (path: string, body: unknown): Promise<Blob> => (await answerOf("POST", address(path), json(body))).blob(),
  postText: <T>(path: string, type: string, body: string, params?: Params) =>
    send<T>("POST", address(path, params), { headers: { "content-type": type }, body }),
  /** Sends a file and tells how much of it has gone, which fetch cannot. */
  upload: <T>(path: string, file: Blob, sent: (share: number) => void, signal: AbortSignal) =>
    new Promise<T>((resolve, reject) => {
      const request = new XMLHttpRequest();
      const fail = (problem: Problem): void => {
        if (problem.status === 401) onSignedOut();
        reject(new ApiError(problem));
      };
      request.open("POST", address(path));
      request.responseType = "json";
      request.upload.addEventListener("progress", (event) => event.lengthComputable && sent(event.loaded / event.total));
      request.addEventListener("load", () => {
        const { status, statusText } = request;
        if (status >= 200 && status < 300) return resolve(request.response as T);
        fail({ title: statusText, ...(request.response as Partial<Problem> | null), status });
      });
      request.addEventListener("error", () => fail({ status: 0 }));
      signal.addEventListener("abort", () => request.abort());
      request.setRequestHeader("content-type", file.type || "application/octet-stream");
      request.send(file);
    }),
  /** What somebody does with their own account: a 401 says that a password or code was wrong, not that the session ended. */
  own: <T>(method: "POST" | "PUT" | "DELETE", path: string, body: unknown) => send<T>(method, address(path), json(body), true),
  delete: <T>(path: string) => send<T>("DELETE", address(path)),
};

/** A path segment made of an id from outside. */
export const segment = (id: string): string => encodeURIComponent(id);
