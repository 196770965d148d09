import { AssayError, type BatchFile, isAssayError } from "@assay/core";
import { type ReadRecords, recordReader } from "@assay/datasets";
import {
  chooseReuse,
  findScoredInputs,
  type PlannedBatch,
  planBatch,
  type SubmitSettings,
  type WalkTally,
} from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { chooseInputFormat, type InputFormat } from "./choose-input-format.ts";
import type { ChosenModel } from "./choose-profile.ts";
import type { PlanFlags } from "./flags.ts";
import { printable } from "./histogram.ts";
import { mendRecords } from "./mend-records.ts";
import type { OpenedInputs } from "./open-inputs.ts";
import { showProgress } from "./progress.ts";
import { readRecipe } from "./read-recipe.ts";
import { count, counted, note } from "./say.ts";
import { submitSettings } from "./submit-settings.ts";
import { version } from "./version.ts";

/** Inputs that were read once, and how to read them again. */
export interface PlannedInputs {
  readonly planned: PlannedBatch;
  readonly settings: SubmitSettings;
  readonly format: InputFormat;
  readonly readRecords: ReadRecords;
}

/**
 * Pass 1 with its progress; says what of the inputs is not read. Throws what chooseInputFormat, planBatch and
 * chooseReuse throw, and E_ABORTED when the signal fires: nothing is stored yet. Without a store there is nothing to
 * reuse.
 */
export async function planInputs(
  store: ObjectStore | null,
  inputs: OpenedInputs,
  flags: PlanFlags,
  chosen: ChosenModel,
  signal?: AbortSignal,
): Promise<PlannedInputs> {
  if (flags.reuse.length > 0 && store === null)
    throw new AssayError("E_USAGE", "--reuse names batches of a root", { expected: "--root, or ASSAY_ROOT" });
  for (const text of inputs.passedOver) note(text);
  const format = await chooseInputFormat(inputs.sources, flags);
  const flagged = submitSettings(flags, chosen, {
    readable: inputs.readable,
    software: version,
    createdAt: new Date().toISOString(),
    importer: format.importer,
    recipe: await readRecipe(flags.recipe),
  });
  const reuse = store === null ? [] : await chooseReuse(store, flags.reuse, flagged.batch);
  const settings = { ...flagged, batch: { ...flagged.batch, reuse } };
  const { columns, map } = settings.records;
  const readRecords = recordReader(format.importer, { detected: format.detected, columns, map });
  let seen: WalkTally | null = null;
  const progress = showProgress(() => `planning  ${count(seen?.counts.records ?? 0)} records`);
  try {
    const planned = await planBatch(inputs.sources, settings, readRecords, (tally) => {
      seen = tally;
      if (signal?.aborted === true) throw new AssayError("E_ABORTED", "stopped while planning; nothing was stored");
    });
    return { planned, settings, format, readRecords };
  } catch (error) {
    throw isAssayError(error, "E_INPUT_BAD") ? readAs(error, format, seen) : error;
  } finally {
    progress.stop();
  }
}

/** Many bad records may only mean that they are of another format. */
function readAs(
  { message, expected, got }: AssayError,
  { importer }: InputFormat,
  tally: WalkTally | null,
): AssayError {
  return new AssayError("E_INPUT_BAD", message, {
    where: `records read as ${importer.name} (--format)`,
    ...(expected === undefined ? {} : { expected }),
    ...(got === undefined ? {} : { got }),
    ...(tally === null ? {} : { next: mendRecords(tally, importer) }),
  });
}

/** What a submit is told about an input that is not quite clean; silent about one that is. */
export function noteOddities(planned: PlannedInputs): void {
  const { format } = planned;
  const { file, tally, sample } = planned.planned;
  if (format.detected && format.importer.name !== "records") note(`read as ${format.importer.name}`);
  if (sample !== null) note(`a sample: ${count(sample.chosen.size)} of ${counted(sample.of, "record")}`);
  for (const [text, times] of tally.notes) note(`${counted(times, "record")}: ${text}`);
  for (const name of emptyColumns(planned)) note(`${printable(name, 60)}: no record has a value for it`);
  for (const [kind, { count: times, first, field }] of tally.bad) {
    const named = field === undefined ? "" : ` (${printable(field, 60)})`;
    note(`${counted(times, "bad record")}: ${kind}${named}, first at ${first}; kept as bad_input`);
  }
  if (file.counts.equal_ids > 0) note(`${counted(file.counts.equal_ids, "record")} with an id that came before`);
  for (const text of oddInputs(planned.planned)) note(text);
  for (const { input, torn } of file.inputs) {
    if (torn > 0) note(`${printable(input, 120)}: the last line is not whole and was left out`);
  }
  if (tally.leftOut.size > 0)
    note(`fields not carried along, being long or nested: ${leftOutNames(tally)}; --carry-all takes them`);
}

/** Files that gave nothing, of many that did: a writer that ended early, or something else in a file's place. */
export function oddInputs({ file: { inputs }, sample }: Pick<PlannedBatch, "file" | "sample">): string[] {
  // of a sample a file may have no part
  if (sample !== null) return [];
  const empty = inputs.filter(({ records, torn }) => records + torn === 0);
  const lost = inputs.filter(({ records, bad }) => records > 0 && bad === records);
  return [
    ...(empty.length === 0 ? [] : [`${counted(empty.length, "file")} without a record, ${firstOf(empty)}`]),
    ...(lost.length === 0 ? [] : [`${counted(lost.length, "file")} of bad records alone, ${firstOf(lost)}`]),
  ];
}

function firstOf(inputs: BatchFile["inputs"]): string {
  return `${inputs.length === 1 ? "" : "the first "}${printable(inputs[0]?.input ?? "", 120)}`;
}

/** Columns that were asked for by a name which no record has, or never with a value; an importer's may well be empty. */
export function emptyColumns({ planned: { file, tally }, format: { importer } }: PlannedInputs): string[] {
  const asked = file.columns.filter(({ name }) => !importer.columns.some((column) => column.name === name));
  return asked.filter(({ name }) => !tally.filled.has(name)).map(({ name }) => `in_${name}`);
}

/** More names say less; a data set may have one for each record. */
const mostNames = 20;

/** "votes (1,204), raw (3)", the most frequent first. */
export function leftOutNames({ leftOut }: WalkTally): string {
  const byTimes = [...leftOut].sort(([, a], [, b]) => b - a);
  const names = byTimes.slice(0, mostNames).map(([name, times]) => `${printable(name, 40)} (${count(times)})`);
  return `${names.join(", ")}${leftOut.size > mostNames ? ` and ${count(leftOut.size - mostNames)} more` : ""}`;
}

/** Tells a person who pays for a new batch what an earlier one of the root has scored already. */
export async function noteScoredInputs(store: ObjectStore, file: BatchFile): Promise<void> {
  const found = await findScoredInputs(store, file);
  if (found === null) return;
  note(`${found.batch} has scored ${count(found.inputs)} of ${counted(file.inputs.length, "input")}`);
  note(`  --reuse ${found.batch} keeps them: only the other rows are asked, in a batch of another name`);
}
