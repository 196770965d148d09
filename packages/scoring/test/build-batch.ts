import {
  type BatchFile,
  type BatchSettings,
  canonicalJson,
  type Pin,
  type Profile,
  profileByName,
  type ReadWay,
  sha256,
  vllmForm,
} from "@assay/core";
import { readOwnRecords } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { memoryStore } from "@assay/testkit";
import type { BatchContext, ProbeEngines } from "../src/batch-context.ts";
import { createBatchReading } from "../src/batch-reading.ts";
import { type PlannedBatch, planBatch, type SubmitSettings, stageBatch } from "../src/submit-batch.ts";
import type { InputSource } from "../src/walk-inputs.ts";
import { createFailureWatch } from "../src/watch-failures.ts";
import { ids } from "./scripted-answer.ts";

export const never: AbortSignal = new AbortController().signal;
export const model = "judge";
export const profile: Profile = profileByName("genrm-principle") as Profile;

/** What the probe finds at the engines of scripted-pool. */
export const pin: Pin = {
  model,
  revision: null,
  template: sha256("template"),
  delimiters: [
    { id: ids.open, per_turn: 1, extra: 1, extra_system: 1 },
    { id: ids.close, per_turn: 1, extra: 0, extra_system: 0 },
  ],
  logprobs: "raw",
  simulated: false,
};

export function probing(found: Partial<Pin> = {}, origins: readonly string[] = ["http://engine-a:8000"]): ProbeEngines {
  return async (asked) => ({
    profile: asked,
    facts: origins.map((origin) => ({
      origin,
      model,
      version: "0.32.0",
      maxModelLen: null,
      ways: ["two-step", "ids"],
      server: vllmForm,
      blockSize: null,
      pin: { ...pin, ...found },
    })),
    versions: () => ["0.32.0"],
  });
}

/** What a test wants otherwise than the settings below. */
export type Changed = Omit<Partial<SubmitSettings>, "batch"> & { readonly batch?: Partial<BatchSettings> };

export function settings(changed: Changed = {}): SubmitSettings {
  return {
    records: { roles: profile.messages.roles, principles: ["is it right"], map: {}, columns: [], carryAll: false },
    limit: null,
    readable: "test",
    name: null,
    tags: {},
    keepReasoning: "failed",
    maxBad: 0.5,
    maxFailed: 0.05,
    software: "0.0.0-test",
    createdAt: "2026-01-01T00:00:00.000Z",
    ...changed,
    batch: {
      model,
      revision: null,
      profile,
      strip: "auto",
      specials: "neutralise",
      samples: 1,
      seed: null,
      columns: [],
      reuse: [],
      ...changed.batch,
    },
  };
}

/** A line that becomes one row with the response `r<k>`. */
export function record(k: number, more: { [field: string]: unknown } = {}): string {
  return JSON.stringify({ prompt: "say it", response: `r${k}`, ...more });
}

export function records(n: number, from = 0): string {
  return Array.from({ length: n }, (_, k) => `${record(from + k)}\n`).join("");
}

/** An input in memory; opened the n-th time it tells `texts[n]`, the last one from then on. */
export function input(...texts: readonly string[]): InputSource {
  let opened = 0;
  return {
    input: "in.jsonl",
    where: "/data/in.jsonl",
    open: async () => {
      const text = texts[Math.min(opened++, texts.length - 1)] ?? "";
      return pieces(new TextEncoder().encode(text));
    },
    ranges: async () => {
      throw new Error("JSON Lines are read front to back");
    },
  };
}

/** In pieces that cut through lines, as a disk or a bucket hands them over. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

export async function plan(text: string, changed: Changed = {}): Promise<PlannedBatch> {
  return planBatch([input(text)], settings(changed), readOwnRecords);
}

/** Plans and stages a text as a batch. */
export async function submit(store: ObjectStore, text: string, changed: Changed = {}): Promise<BatchFile> {
  const planned = await plan(text, changed);
  const { file } = await stageBatch(store, planned, [input(text)], settings(changed), readOwnRecords, {
    signal: never,
  });
  return file;
}

/** A batch as a worker that has opened it knows it. No engine of it changes its way. */
export function contextOf(
  file: BatchFile,
  { way = "two-step", ...changed }: Partial<BatchContext> & { way?: ReadWay } = {},
): BatchContext {
  return {
    file,
    pin,
    engineVersion: () => "0.32.0",
    profile: file.profile,
    reading: createBatchReading({
      store: memoryStore(),
      batch: file.batch,
      first: way,
      insist: true,
      facts: [],
      onWay: () => {},
    }),
    server: vllmForm,
    reuse: null,
    watch: createFailureWatch(),
    control: { state: "running", weight: 1, accept_failures: false, n: 0, last: null },
    ...changed,
  };
}

/** Every object of a memory store as one comparable text: key, and hash of the bytes. */
export function contents(objects: ReadonlyMap<string, Uint8Array>): string {
  const entries = [...objects].map(([key, bytes]) => [key, sha256(bytes)] as const);
  return canonicalJson(Object.fromEntries(entries));
}
