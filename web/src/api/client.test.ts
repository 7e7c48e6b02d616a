import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, address, api, whenSignedOut } from "./client";

const answer = (status: number, body: string, type = "application/problem+json"): void => {
  vi.stubGlobal("fetch", vi.fn(async () => new Response(status === 204 ? null : body, { status, headers: { "content-type": type } })));
};
const failure = async (work: Promise<unknown>): Promise<ApiError> =>
  work.then(
    () => expect.fail("the call should have been refused"),
    (error: unknown) => error as ApiError,
  );

afterEach(() => vi.unstubAllGlobals());

describe("the client", () => {
  it("leaves out parameters without a value and escapes the rest", () => {
    expect(address("/cases", { area: "500103", q: "a&b", agency: "", cursor: null, mine: undefined, limit: 0 })).toBe(
      "/api/v1/cases?area=500103&q=a%26b&limit=0",
    );
  });
  it("turns problem+json into a typed error with number, text and hint", async () => {
    answer(403, JSON.stringify({ code: "E-204", detail: "outside your area", text: { zh: "超出区域", en: "Outside" } }));
    const error = await failure(api.get("/warnings"));
    expect(error).toBeInstanceOf(ApiError);
    expect(error.status).toBe(403);
    expect(error.problem).toMatchObject({ code: "E-204", text: { zh: "超出区域" } });
  });
  it("understands a proxy that answers with HTML", async () => {
    answer(502, "<html>bad gateway</html>", "text/html");
    expect((await failure(api.get("/city"))).status).toBe(502);
  });
  it("calls an unreachable server by its own number", async () => {
    vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("network"))));
    expect((await failure(api.get("/city"))).status).toBe(0);
  });
  it("tells once that the session ended, except where a 401 is the answer", async () => {
    const told = vi.fn();
    whenSignedOut(told);
    answer(401, "{}");
    await failure(api.probe("/session"));
    await failure(api.post("/session", {}, true));
    expect(told).not.toHaveBeenCalled();
    await failure(api.get("/cases"));
    expect(told).toHaveBeenCalledOnce();
  });
  it("an empty answer is no answer, not a fault", async () => {
    answer(204, "");
    await expect(api.delete("/session")).resolves.toBeUndefined();
  });
});
