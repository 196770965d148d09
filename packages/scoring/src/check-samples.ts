import { type BatchFile, combineSamples, defaultCombine, type ResultRow, sampleSeed } from "@assay/core";
import type { BrokenPromise } from "./broken-promise.ts";
import { checkReward } from "./check-reward.ts";

/**
 * Checks a row against its own samples: a row that was asked has as many as the batch asks for, under the batch's seeds,
 * each with the reward of its own log-probabilities (P1, P8), and the row is what the profile's rule makes of them (P8).
 * Where a batch asks once, and where nothing was asked, there are none. Pure; null when all holds.
 */
export function checkSamples(file: BatchFile, row: ResultRow): Omit<BrokenPromise, "where"> | null {
  const { samples } = row;
  const wanted = file.samples > 1 && row.row_key !== null ? file.samples : null;
  if ((samples?.length ?? null) !== wanted) {
    return {
      promise: "P1",
      what: "a row has not the samples that the batch asks for",
      expected: String(wanted ?? "none"),
      got: String(samples?.length ?? "none"),
    };
  }
  if (samples === null) return null;
  for (const [i, sample] of samples.entries()) {
    const wrong = checkReward(sample);
    if (wrong !== null) return { ...wrong, what: `sample ${i}: ${wrong.what}` };
    const seed = sampleSeed(file.seed, i);
    if (sample.seed !== seed) {
      return {
        promise: "P1",
        what: `sample ${i} has not the batch's seed`,
        expected: String(seed ?? "none"),
        got: String(sample.seed ?? "none"),
      };
    }
  }
  return checkCombined(file, row, samples);
}

function checkCombined(
  { profile }: BatchFile,
  row: ResultRow,
  samples: NonNullable<ResultRow["samples"]>,
): Omit<BrokenPromise, "where"> | null {
  const rule = profile.combine ?? defaultCombine;
  const { status, logprobYes, logprobNo, mass } = combineSamples(samples, rule);
  const expected = [status, logprobYes, logprobNo, mass].join(", ");
  const got = [row.status, row.logprob_yes, row.logprob_no, row.yes_no_mass].join(", ");
  return expected === got
    ? null
    : { promise: "P8", what: `a row is not what ${rule} makes of its samples`, expected, got };
}
