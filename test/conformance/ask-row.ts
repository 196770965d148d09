import {
  type Asked,
  askVerdict,
  buildRequest,
  type Profile,
  profileByName,
  type ReadWay,
  type Row,
  type ServerForm,
  vllmForm,
} from "@assay/core";
import { type EngineUnderTest, model } from "./engine-under-test.ts";

export interface Texts {
  readonly prompt: string;
  readonly response: string;
  readonly principle: string;
}

const genrm = profileByName("genrm-principle");
if (genrm === null) throw new Error("no profile genrm-principle");

/** The product's profile for a judge that thinks briefly and whose verdicts mean nothing. */
export const judgeProfile: Profile = { ...genrm, max_tokens: 2_000, golden: null };
export const greedy: Profile["sampling"] = { ...genrm.sampling, temperature: 0, top_p: 1, top_k: -1 };

/** One row the product's way: built, sent through the pool, found and read. */
export async function askRow(
  engine: EngineUnderTest,
  texts: Texts,
  way: ReadWay,
  sampling: Profile["sampling"],
  server: ServerForm = vllmForm,
): Promise<Asked> {
  const profile = { ...judgeProfile, sampling };
  const settings = { model, profile, strip: "auto", specials: "neutralise", samples: 1, seed: null } as const;
  const built = buildRequest(rowOf(texts), settings, way, server);
  if (built.kind !== "ask") throw new Error(built.why);
  const never = new AbortController().signal;
  const slot = await engine.engines.pool.acquire("conformance", never);
  try {
    const limits = { signal: never, deadlineMs: 120_000 };
    return await askVerdict((request) => slot.complete(request, limits), built.request, profile);
  } finally {
    slot.release();
  }
}

/** The two log-probabilities; throws where the row has none. */
export function pairOf(asked: Asked): [yes: number, no: number] {
  if (!asked.ok) throw new Error(`${asked.failure.kind}: ${asked.failure.message}`);
  if (asked.read?.status !== "ok") throw new Error(`${asked.found.found ? asked.read?.why : asked.found.why}`);
  return [asked.read.logprobYes ?? Number.NaN, asked.read.logprobNo ?? Number.NaN];
}

export function rowOf({ prompt, response, principle }: Texts): Row {
  return {
    rowIndex: 0,
    principleIndex: 0,
    principle,
    line: {
      row_index: 0,
      id: "conformance",
      group: "conformance",
      input: "conformance",
      input_line: 1,
      response_index: 0,
      messages: [{ role: "user", content: prompt }],
      response,
      principles: [{ row_index: 0, principle_index: 0, text: principle }],
      carried: null,
    },
  };
}
