import { resultJson } from "../say.ts";
import { type ScoreFlags, scoreInputs } from "../score-inputs.ts";
import { refuseFailedRows, showSummary, summaryJson } from "../show-summary.ts";

/** submit, work and wait in one process; the same command again carries on. */
export async function score(inputs: readonly string[], flags: ScoreFlags): Promise<void> {
  const complete = await scoreInputs(inputs, flags);
  if (flags.json === true) resultJson(summaryJson(complete));
  else showSummary(complete);
  refuseFailedRows(complete, flags.maxFailed, flags.root);
}
