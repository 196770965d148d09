import { type BatchFile, type Pin, type Profile, profileByName, sha256, vllmForm } from "@assay/core";
import { readOwnRecords } from "@assay/datasets";
import { type InputSource, type ProbeEngines, planBatch, type SubmitSettings } from "@assay/scoring";
import type { Night } from "./night.ts";

export const model = "judge";
export const yesId = 1;
export const noId = 2;
export const readRecords = readOwnRecords;

/** One request a row: what a night is about lies around the asking. */
export const profile: Profile = {
  ...(profileByName("yes-no") as Profile),
  name: "night",
  messages: {
    roles: ["user", "assistant"],
    principle: { as: "user-turn", text: "{principle}" },
    template_kwargs: {},
  },
  verdict: {
    position: "first",
    anchor: null,
    forms: [{ yes: "Yes", no: "No", yes_id: yesId, no_id: noId }],
    pair: "sampled",
    min_mass: 0.5,
    read: "ids",
    insist: true,
  },
};

const pin: Pin = {
  model,
  revision: null,
  template: sha256("template"),
  delimiters: [],
  logprobs: "raw",
  simulated: false,
};

export function probing(origins: readonly string[]): ProbeEngines {
  return async (asked) => ({
    profile: asked,
    versions: () => ["0.32.0"],
    facts: origins.map((origin) => ({
      origin,
      model,
      version: "0.32.0",
      maxModelLen: null,
      ways: ["ids"],
      server: vllmForm,
      blockSize: null,
      pin,
    })),
  });
}

export const settings: SubmitSettings = {
  records: { roles: profile.messages.roles, principles: [], map: {}, columns: [], carryAll: false },
  limit: null,
  readable: "night",
  name: null,
  tags: {},
  keepReasoning: "failed",
  maxBad: 1,
  maxFailed: 1,
  software: "0.0.0-night",
  createdAt: "2026-01-01T00:00:00.000Z",
  batch: {
    model,
    revision: null,
    profile,
    strip: "off",
    specials: "neutralise",
    samples: 1,
    seed: null,
    columns: [],
    reuse: [],
  },
};

/** A row as the input asks for it; `asks` names it as an engine sees it, null for a record that cannot be read. */
export interface ExpectedRow {
  readonly line: number;
  readonly asks: string | null;
}

/** A batch of a night: what it is asked for, and what it has to be. */
export interface NightBatch {
  readonly plan: BatchFile;
  readonly text: string;
  /** the input as it is after somebody has changed it */
  readonly changed: string;
  readonly rows: readonly ExpectedRow[];
  readonly weight: number;
  /** when it is submitted, at the soonest */
  readonly atMs: number;
}

/** The batches of a night, the first one first. */
export async function batchesOf({ records, second }: Night): Promise<NightBatch[]> {
  if (second === null) return [await batchOf({ records, letter: "r", cut: 0 }, 1, 0)];
  const [weight, weightOfSecond] = second.weights;
  return [
    await batchOf({ records, letter: "r", cut: cutBehind }, weight, 0),
    await batchOf({ records: second.records, letter: "s", cut: cutBehind }, weightOfSecond, second.atMs),
  ];
}

/** Records that cannot be read, behind each one: a chunk is 16 rows, and its price is what engines are asked. */
const cutBehind = 15;

interface Input {
  readonly records: readonly number[];
  /** begins the name of every response: no two batches ask the same row */
  readonly letter: string;
  readonly cut: number;
}

async function batchOf(input: Input, weight: number, atMs: number): Promise<NightBatch> {
  const { text, rows } = inputOf(input);
  const { file: plan } = await planBatch([inputSource(text)], settings, readRecords);
  const changed = inputOf({ ...input, records: [...input.records, 1] }).text;
  return { plan, text, changed, rows, weight, atMs };
}

function inputOf({ records, letter, cut }: Input): { text: string; rows: ExpectedRow[] } {
  const padded = records.flatMap((principles) => [principles, ...Array<number>(cut).fill(0)]);
  const lines = padded.map((principles, k) =>
    principles === 0
      ? `{"record ${k} is cut`
      : JSON.stringify({
          prompt: "say it",
          response: `${letter}${k}`,
          principles: Array.from({ length: principles }, (_, p) => `p${p}`),
        }),
  );
  const rows = padded.flatMap((principles, k): ExpectedRow[] =>
    principles === 0
      ? [{ line: k + 1, asks: null }]
      : Array.from({ length: principles }, (_, p) => ({ line: k + 1, asks: `${letter}${k}|p${p}` })),
  );
  // the last line is whole, even where it cannot be read
  return { text: lines.map((line) => `${line}\n`).join(""), rows };
}

/** The row that kills its engine, as engines name it. */
export function poisonOf({ poison }: Pick<Night, "poison">, batches: readonly NightBatch[]): string | null {
  const asked = batches.flatMap(({ rows }) => rows.flatMap(({ asks }) => (asks === null ? [] : [asks])));
  return poison === null ? null : (asked[poison % Math.max(1, asked.length)] ?? null);
}

/** An input that tells `texts[n]` when it is opened the n-th time, the last one from then on. */
export function inputSource(...texts: readonly string[]): InputSource {
  let opened = 0;
  return {
    input: "in.jsonl",
    where: "/data/in.jsonl",
    open: async () => one(new TextEncoder().encode(texts[Math.min(opened++, texts.length - 1)] ?? "")),
    ranges: () => Promise.reject(new Error("JSON Lines are read front to back")),
  };
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
