// The check of a receipt that the citizens' pages carry, against a log made here by other code: trees, proofs and
// signatures by Node's own cryptography. No server and no browser: only the script, run as a page runs it.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../../crates/server/src/pages/citizen.js", import.meta.url), "utf8");
const CASE = "500103-20261121-00001";
const LOG = "chengmai/50/0a1b2c3d";

const sha = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((part) => Buffer.from(part)))).digest();
const leafHash = (entry) => sha([0], entry);
const nodeHash = (left, right) => sha([1], left, right);

/** Where RFC 6962 cuts a tree of so many leaves. */
function cut(leaves) {
  let half = 1;
  while (half * 2 < leaves) half *= 2;
  return half;
}

function head(leaves) {
  if (leaves.length === 1) return leaves[0];
  const half = cut(leaves.length);
  return nodeHash(head(leaves.slice(0, half)), head(leaves.slice(half)));
}

function pathOf(index, leaves) {
  if (leaves.length === 1) return [];
  const half = cut(leaves.length);
  return index < half
    ? [...pathOf(index, leaves.slice(0, half)), head(leaves.slice(half))]
    : [...pathOf(index - half, leaves.slice(half)), head(leaves.slice(0, half))];
}

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.concat([Buffer.from([1]), publicKey.export({ format: "der", type: "spki" }).subarray(-32)]);
  const id = sha(`${LOG}\n`, raw).subarray(0, 4);
  return { privateKey, id, text: `${LOG}+${id.toString("hex")}+${raw.toString("base64")}` };
}

/** The receipt of a case whose steps are the first, the last and the middle leaf of a log of that size. */
function receiptOf(size) {
  const leaves = Array.from({ length: size }, (_, n) => leafHash(`other ${n}`));
  const events = [];
  let chain = sha(CASE).toString("hex");
  for (const [before, leaf] of [...new Set([0, size - 1, size >> 1])].entries()) {
    const seq = before + 1;
    const [digest, salt] = [sha(`row ${seq}`), sha(`salt ${seq}`).subarray(0, 16)];
    const commitment = sha(salt, digest).toString("base64");
    leaves[leaf] = leafHash(`chengmai/1\ncase_event\n${CASE}/${seq}\n${commitment}\n`);
    chain = sha(chain + digest.toString("hex")).toString("hex");
    events.push({ seq, at: "", digest: digest.toString("hex"), chain, leaf, salt: salt.toString("hex") });
  }
  const key = newKey();
  const text = `${LOG}\n${size}\n${head(leaves).toString("base64")}\n`;
  const signature = Buffer.concat([key.id, sign(null, Buffer.from(text), key.privateKey)]).toString("base64");
  const proofs = events.map(({ seq, leaf }) => ({ seq, path: pathOf(leaf, leaves).map((hash) => hash.toString("base64")) }));
  const checkpoint = `${text}\n— ${LOG} ${signature}\n— audit.example AAAA\n`;
  return { case: CASE, how: "", events, log: { key: key.text, checkpoint, proofs } };
}

/** What the page says of a receipt, in a browser with that cryptography. */
async function saidOf(receipt, crypto = webcrypto) {
  let click;
  const place = { dataset: {}, append: () => {} };
  const document = {
    getElementById: (id) => (id === "receipt" ? place : null),
    createElement: () => ({ addEventListener: (_event, act) => (click = act), setAttribute: () => {} }),
  };
  const page = { document, crypto, TextEncoder, Uint8Array, atob, btoa, location: { pathname: "/track/0" } };
  page.window = page;
  page.fetch = async () => ({ ok: true, json: async () => receipt });
  vm.runInNewContext(SCRIPT, page);
  await click();
  return place.dataset.found;
}

test("a receipt over logs of many sizes is right, and whatever is changed in it is noticed", async () => {
  for (const size of [1, 2, 3, 4, 5, 7, 8, 13, 64, 100, 257]) {
    const whole = receiptOf(size);
    assert.equal(await saidOf(whole), "right", `of ${size} leaves`);
    const changes = {
      salt: (r) => (r.events[0].salt = "0".repeat(32)),
      digest: (r) => (r.events[0].digest = "0".repeat(64)),
      chain: (r) => (r.events.at(-1).chain = "0".repeat(64)),
      case: (r) => (r.case = "500103-20261121-00002"),
      place: (r) => (r.events[0].leaf += 1),
      size: (r) => (r.log.checkpoint = r.log.checkpoint.replace(`\n${size}\n`, `\n${size + 1}\n`)),
      signature: (r) => (r.log.key = newKey().text),
      name: (r) => (r.log.key = r.log.key.replace(LOG, "another")),
      path: (r) => r.log.proofs[0].path.push(sha("x").toString("base64")),
    };
    for (const [what, change] of Object.entries(changes)) {
      const other = structuredClone(whole);
      change(other);
      assert.equal(await saidOf(other), "wrong", `${what} of ${size} leaves`);
    }
  }
});

test("a step that is not signed yet, and a signature that the browser does not know, are said", async () => {
  const whole = receiptOf(9);
  const newest = structuredClone(whole);
  newest.log.proofs.pop();
  assert.equal(await saidOf(newest), "waiting");
  assert.equal(await saidOf({ ...whole, log: null }), "waiting");
  const subtle = {
    digest: (...what) => webcrypto.subtle.digest(...what),
    importKey: () => Promise.reject(new Error("not supported")),
  };
  assert.equal(await saidOf(whole, { subtle }), "unsigned");
});
