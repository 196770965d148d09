import { detach } from "../detach.ts";
import { refuseFailedRows } from "../refuse-failed-rows.ts";
import { resultJson } from "../say.ts";
import { type ScoreFlags, scoreInputs } from "../score-inputs.ts";
import { showSummary, summaryJson } from "../show-summary.ts";

/** submit, work and wait in one process, here or in one without a terminal; the same command again carries on. */
export async function score(
  inputs: readonly string[],
  flags: ScoreFlags & { readonly detach?: boolean },
): Promise<void> {
  if (flags.detach === true) return detach("score", flags.root);
  const complete = await scoreInputs(inputs, flags);
  if (flags.json === true) resultJson(summaryJson(complete));
  else showSummary(complete);
  await refuseFailedRows(complete, flags.maxFailed, flags.root);
}
