import { statusMeanings } from "@assay/core";
import { openDecoder } from "@assay/datasets";
import { type FailureGroup, type Failures, type Family, findBatch, groupFailures, loadBatch } from "@assay/scoring";
import { commandLine } from "../command-line.ts";
import type { JsonFlag, RootFlags } from "../flags.ts";
import { percent, printable } from "../histogram.ts";
import { openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { showProgress } from "../progress.ts";
import { readState } from "../read-state.ts";
import { count, counted, note, result, resultJson } from "../say.ts";
import { familyOf } from "../show-retries.ts";
import { stepAfterFailures } from "../step-after-failures.ts";

/** Failed rows of a batch and its retries, grouped by class, each with an example and what to type. */
export async function failures(text: string, flags: RootFlags & JsonFlag): Promise<void> {
  const store = await openStore(flags.root);
  const file = await loadBatch(store, await findBatch(store, text));
  const { state } = await readState(store, file.batch, file);
  const family = await familyOf(store, file);
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let seen = 0;
  const progress = showProgress(() => `reading  ${count(seen)}/${counted(file.counts.rows, "row")}`);
  let found: Failures;
  try {
    found = await groupFailures({ store, decodeShard: decoder.decode }, family, (rows) => {
      seen = rows;
    });
  } finally {
    progress.stop();
    await decoder.close();
  }
  if (flags.json === true) {
    const { batch, counts } = file;
    const groups = found.groups.map((group) => ({ ...group, next: stepAfterFailures(family, group, flags.root) }));
    return resultJson({ batch, state, rows: counts.rows, done: found.rows, failed: found.failed, groups });
  }
  const retried =
    family.retries.length === 0 ? "" : `, ${counted(family.retries.length, "retry").replace(/ys$/, "ies")} included`;
  result(
    `${file.batch}  ${count(found.failed)} of ${counted(found.rows, "row")} have no reward (${percent(found.failed, found.rows)})${retried}`,
  );
  for (const group of found.groups) for (const line of groupLines(family, group, flags.root)) result(line);
  if (state !== "complete")
    note(
      `${file.batch} is ${state}: ${count(file.counts.rows - found.rows)} rows are to come, and a retry waits for them`,
    );
}

function groupLines(family: Family, group: FailureGroup, root: string | undefined): string[] {
  const { example } = group;
  const line = (name: string, text: string): string => `    ${name.padEnd(9)}${text}`;
  const kind =
    group.error_code === null || group.error_code === `E_${group.status.toUpperCase()}`
      ? ""
      : ` (${printable(group.error_code, 60)})`;
  const where = `${printable(example.input, 120)}:${example.input_line}`;
  return [
    `  ${count(group.rows)} ${group.status}${kind}`,
    line("means", statusMeanings[group.status].means),
    line("example", `row ${example.row_index}, id ${printable(example.id, 80)}, ${where}`),
    ...(example.error_message === null ? [] : [line("", printable(example.error_message, 300))]),
    line("look", commandLine(["explain", example.batch, String(example.row_index)], root)),
    line("next", stepAfterFailures(family, group, root)),
  ];
}
