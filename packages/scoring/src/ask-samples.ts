import { setMaxListeners } from "node:events";
import { type PromptPrefix, type SampleOutcome, sampleSeed } from "@assay/core";
import { allOrFirstError } from "./all-or-first-error.ts";
import { askRow, type RowPorts } from "./ask-row.ts";
import type { BatchContext } from "./batch-context.ts";
import type { AskedFor } from "./row-outcome.ts";

/**
 * The answers to one row's request, as many as the batch has samples, in sample order. They stand in line next to each
 * other, the first one ahead, each for a slot of its own: an engine that has computed the prompt once has it for all.
 * Where one rejects the others are stopped, and it rejects when none talks to an engine any more. Rejects with E_ABORTED
 * or E_ENGINES_FENCED only.
 */
export async function askSamples(
  ports: RowPorts,
  context: BatchContext,
  rowIndex: number,
  built: AskedFor,
  prefix?: PromptPrefix,
): Promise<readonly (SampleOutcome & { readonly engine: string })[]> {
  const { samples, seed } = context.file;
  const ask = async (sample: number, signal: AbortSignal): Promise<SampleOutcome & { readonly engine: string }> => {
    const own = sampleSeed(seed, sample);
    const request = { ...built, request: { ...built.request, seed: own } };
    return { ...(await askRow({ ...ports, signal }, context, rowIndex, request, prefix)), seed: own };
  };
  if (samples === 1) return [await ask(0, ports.signal)];

  const stop = new AbortController();
  // every sample listens, and there may be more than ten
  setMaxListeners(0, stop.signal);
  const onAbort = (): void => stop.abort();
  if (ports.signal.aborted) onAbort();
  // not AbortSignal.any: the worker's signal outlives all rows, and would keep 100 bytes of each
  ports.signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await allOrFirstError(
      Array.from({ length: samples }, (_, sample) => ask(sample, stop.signal)),
      onAbort,
    );
  } finally {
    ports.signal.removeEventListener("abort", onAbort);
  }
}
