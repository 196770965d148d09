import { type ControlEntry, controlKey, retryKey } from "@assay/core";
import type { S3LogEntry } from "@assay/testkit";
import { expect, test } from "@jest/globals";
import { checkPeople, type PeopleFacts } from "./check-people.ts";
import type { Deed } from "./people.ts";

/** A run of one batch, paused at 10 s and resumed at 200 s by a person; each test plants one breach of a promise. */

const batch = "b-0123456789abcdef";
const entry = (state: ControlEntry["state"]) => ({
  bytes: new TextEncoder().encode(
    JSON.stringify({ state, weight: 1, id: state, at: "", by: "somebody", reason: null, accept_failures: false }),
  ),
});
const put = (n: number, at: number): S3LogEntry => ({
  action: "PutObject",
  key: controlKey(batch, n),
  status: 200,
  by: "x",
  at,
});
const get = (key: string, at: number): S3LogEntry => ({ action: "GetObject", key, status: 200, by: "w0.0", at });
const deed = (verb: Deed["verb"], fromMs: number, said = ""): Deed => ({
  verb,
  batch,
  fromMs,
  untilMs: fromMs + 1_000,
  code: 0,
  said,
});

const kept: PeopleFacts = {
  batches: [batch],
  objects: new Map([
    [controlKey(batch, 1), entry("paused")],
    [controlKey(batch, 2), entry("running")],
    [retryKey(batch, 1), entry("running")],
  ]),
  deeds: [deed("pause", 9_500), deed("resume", 199_500), deed("retry", 300_000, `${batch}-r1`)],
  asks: [{ batch, row: "0.0.0", by: "w0.0", at: 11_000, engine: "", endedAt: null }],
  log: [
    put(1, 10_000),
    get(controlKey(batch, 1), 12_000),
    put(2, 200_000),
    get(`${batch}/rows/000000.jsonl.gz`, 201_000),
  ],
  storeFaults: [],
};
const objects = (more: readonly (readonly [string, { readonly bytes: Uint8Array }])[]) =>
  new Map([...kept.objects, ...more]);

test("nothing is found where everything was kept", () => {
  expect(checkPeople(kept)).toEqual([]);
});

test.each<[string, Partial<PeopleFacts>, RegExp]>([
  ["a resume that nobody typed", { deeds: kept.deeds.filter(({ verb }) => verb !== "resume") }, /nobody typed resume/],
  [
    "a row asked long after the pause",
    { asks: [{ batch, row: "0.0.0", by: "w1.0", at: 150_000, engine: "", endedAt: null }] },
    /1 rows .* asked long after entry 1/,
  ],
  [
    "a chunk begun by who had read the pause",
    { log: [...kept.log, get(`${batch}/rows/000001.jsonl.gz`, 60_000)] },
    /w0\.0 read .* may not run/,
  ],
  [
    "a cancelled batch that became complete",
    {
      deeds: [...kept.deeds, deed("cancel", 400_000)],
      objects: objects([
        [controlKey(batch, 3), entry("cancelled")],
        [`${batch}/_SUCCESS`, entry("running")],
      ]),
      log: [...kept.log, put(3, 400_500)],
    },
    /is cancelled and has _SUCCESS/,
  ],
  [
    "a cancel that was told and is not there",
    { deeds: [...kept.deeds, deed("cancel", 400_000)] },
    /was cancelled, and is running in the end/,
  ],
  ["two retries of one command", { objects: objects([[retryKey(batch, 2), entry("running")]]) }, /has 2 retries/],
])("%s is found", (_what, breach, sentence) => {
  expect(checkPeople({ ...kept, ...breach })).toEqual([expect.stringMatching(sentence)]);
});
