import { type BatchFile, type Pin, type Profile, profileByName, sha256, vllmForm } from "@assay/core";
import { readOwnRecords } from "@assay/datasets";
import type { InputSource, ProbeEngines, SubmitSettings } from "@assay/scoring";
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

export function inputOf({ records }: Pick<Night, "records">): { text: string; rows: ExpectedRow[] } {
  const lines = records.map((principles, k) =>
    principles === 0
      ? `{"record ${k} is cut`
      : JSON.stringify({
          prompt: "say it",
          response: `r${k}`,
          principles: Array.from({ length: principles }, (_, p) => `p${p}`),
        }),
  );
  const rows = records.flatMap((principles, k): ExpectedRow[] =>
    principles === 0
      ? [{ line: k + 1, asks: null }]
      : Array.from({ length: principles }, (_, p) => ({ line: k + 1, asks: `r${k}|p${p}` })),
  );
  // the last line is whole, even where it cannot be read
  return { text: lines.map((line) => `${line}\n`).join(""), rows };
}

/** The row that kills its engine, as engines name it. */
export function poisonOf({ poison }: Pick<Night, "poison">, rows: readonly ExpectedRow[]): string | null {
  const asked = rows.flatMap(({ asks }) => (asks === null ? [] : [asks]));
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

export type { BatchFile };
