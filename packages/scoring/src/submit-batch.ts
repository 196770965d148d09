import {
  AssayError,
  type BatchFile,
  type BatchSettings,
  batchKey,
  batchName,
  batchSha256,
  type ChunkOrder,
  type ChunkPlan,
  formatVersion,
  layoutVersion,
  recipeSha256,
  rowsKey,
  schemaVersion,
} from "@assay/core";
import type { ReadRecords } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { indexBatch } from "./batch-index.ts";
import { chooseSample, type Sample } from "./choose-sample.ts";
import { zip } from "./gzip.ts";
import { loadBatch, loadBatchIfPresent } from "./load-batch.ts";
import { emptyTally, type InputSource, type WalkSettings, type WalkTally, walkInputs } from "./walk-inputs.ts";

/** Everything that is decided before the inputs are read. */
export interface SubmitSettings extends Omit<WalkSettings, "only"> {
  /** score a sample of the records; absent = all */
  readonly sample?: { readonly size: number; readonly seed: number };
  readonly batch: BatchSettings;
  /** readable part of the name: from --name or the input */
  readonly readable: string;
  readonly name: string | null;
  readonly tags: { readonly [key: string]: string };
  readonly keepReasoning: BatchFile["keep_reasoning"];
  readonly maxBad: number;
  readonly maxFailed: number;
  /** mixed where it is left out */
  readonly order?: ChunkOrder;
  readonly software: string;
  readonly createdAt: string;
}

export interface PlannedBatch {
  readonly file: BatchFile;
  readonly tally: WalkTally;
  /** the records that were drawn, where not all are scored */
  readonly sample: Sample | null;
}

/**
 * Pass 1: reads the whole input, finds every bad record and the batch's name, and stores nothing. Throws
 * E_INPUT_EMPTY, E_INPUT_BAD (more than `maxBad` of the records are bad: nothing is scored), E_INPUT_UNREADABLE.
 */
export async function planBatch(
  inputs: readonly InputSource[],
  settings: SubmitSettings,
  readRecords: ReadRecords,
  onProgress: (tally: WalkTally) => void = () => {},
): Promise<PlannedBatch> {
  const tally = emptyTally();
  const chunks: ChunkPlan[] = [];
  const sample =
    settings.sample === undefined
      ? null
      : await chooseSample(inputs, settings.sample, readRecords, () => onProgress(tally));
  for await (const chunk of walkInputs(inputs, walkSettings(settings, sample), readRecords, tally)) {
    chunks.push({ sha256: chunk.sha256, rows: chunk.rows, row_start: chunk.rowStart });
    onProgress(tally);
  }
  refuseBadInput(tally, settings.maxBad);
  const sha256 = batchSha256(
    settings.batch,
    chunks.map((chunk) => chunk.sha256),
  );
  const { recipe } = settings.records;
  const file: BatchFile = {
    batch: batchName(settings.readable, sha256),
    sha256,
    format: formatVersion,
    layout: layoutVersion,
    schema: schemaVersion,
    ...settings.batch,
    chunks,
    name: settings.name,
    tags: settings.tags,
    keep_reasoning: settings.keepReasoning,
    max_bad: settings.maxBad,
    max_failed: settings.maxFailed,
    order: settings.order ?? "mixed",
    ...(recipe == null ? {} : { recipe: { name: recipe.name, sha256: recipeSha256(recipe) } }),
    created_at: settings.createdAt,
    software: settings.software,
    inputs: tally.inputs,
    counts: { ...tally.counts, equal_ids: tally.equalIds },
  };
  return { file, tally, sample };
}

/**
 * Makes the planned batch exist in the store. Does nothing when it is there already ("exists"). Else pass 2: builds
 * each chunk again and compares its hash *before* its put, so that nothing wrong can ever stand under a name, and
 * puts batch.json last. Kills, reruns and a second submitter are harmless. Returns the stored batch.json,
 * which is another submitter's when that one was first (name, tags and order may differ, the identity does not).
 * Throws E_INPUT_CHANGED when the input is not the one that was planned, E_NAME_TAKEN on a name with another identity.
 */
export async function stageBatch(
  store: ObjectStore,
  planned: PlannedBatch,
  inputs: readonly InputSource[],
  settings: SubmitSettings,
  readRecords: ReadRecords,
  options: { signal: AbortSignal; onProgress?: (chunks: number) => void },
): Promise<{ file: BatchFile; result: "created" | "exists" }> {
  const { batch } = planned.file;
  const existing = await loadBatchIfPresent(store, batch);
  let result: "created" | "exists" = "exists";
  if (existing === null) {
    await stageRows(store, planned.file, inputs, walkSettings(settings, planned.sample), readRecords, options);
    result = await store.putIfAbsent(batchKey(batch), new TextEncoder().encode(JSON.stringify(planned.file)));
  }
  const file = existing ?? (await loadBatch(store, batch));
  if (file.sha256 !== planned.file.sha256) {
    throw new AssayError("E_NAME_TAKEN", "another batch has this name", {
      where: `${store.uri}/${batch}`,
      expected: planned.file.sha256,
      got: file.sha256,
    });
  }
  await indexBatch(store, batch, file.created_at);
  return { file, result };
}

/** What both passes walk by. */
function walkSettings({ records, limit }: SubmitSettings, sample: Sample | null): WalkSettings {
  return { records, limit, ...(sample === null ? {} : { only: sample.chosen }) };
}

/** Puts in flight at once: hides a bucket's 20 to 50 ms a put; each holds one chunk, 16 MiB at most. */
const stagingPuts = 4;

async function stageRows(
  store: ObjectStore,
  file: BatchFile,
  inputs: readonly InputSource[],
  settings: WalkSettings,
  readRecords: ReadRecords,
  options: { signal: AbortSignal; onProgress?: (chunks: number) => void },
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failed: { error: unknown } | null = null;
  let staged = 0;
  try {
    // ids and equal rows were counted by pass 1
    for await (const chunk of walkInputs(inputs, settings, readRecords, {
      ...emptyTally(),
      ids: null,
      equalRows: null,
    })) {
      if (options.signal.aborted) throw new AssayError("E_ABORTED", "stopped while staging; nothing is lost");
      const plan = file.chunks[chunk.chunk];
      if (plan === undefined || plan.sha256 !== chunk.sha256) throw inputChanged(chunk.chunk);
      const put = zip(chunk.bytes)
        .then((zipped) => store.putIfAbsent(rowsKey(file.batch, chunk.chunk), zipped))
        .then(
          () => {
            staged += 1;
            options.onProgress?.(staged);
          },
          (error: unknown) => {
            failed ??= { error };
          },
        )
        .finally(() => running.delete(put));
      running.add(put);
      if (running.size >= stagingPuts) await Promise.race(running);
      if (failed !== null) break;
    }
  } finally {
    // also when it stops early: nothing is put any more once this has ended
    await Promise.all(running);
  }
  if (failed !== null) throw (failed as { error: unknown }).error;
  if (staged !== file.chunks.length) throw inputChanged(staged);
}

function inputChanged(chunk: number): AssayError {
  return new AssayError("E_INPUT_CHANGED", "the input changed while it was read", {
    where: `chunk ${chunk}`,
    expected: "the same bytes in both passes",
    got: "other rows in the second pass",
  });
}

function refuseBadInput(tally: WalkTally, maxBad: number): void {
  const { records, bad } = tally.counts;
  if (records === 0) {
    throw new AssayError("E_INPUT_EMPTY", "the input holds no record", {
      where: tally.inputs.map(({ input }) => input).join(", ") || "no input",
      got: `${tally.inputs.reduce((sum, { blank }) => sum + blank, 0)} blank lines, ${tally.inputs.reduce((sum, { torn }) => sum + torn, 0)} torn`,
    });
  }
  if (bad === 0 || bad <= maxBad * records) return;
  const kinds = [...tally.bad].map(
    ([code, { count, first, field }]) =>
      `${count} ${code}${field === undefined ? "" : ` (${field})`}, first at ${first}`,
  );
  throw new AssayError("E_INPUT_BAD", `${bad} of ${records} records are bad; nothing was scored`, {
    expected: `at most ${(maxBad * 100).toFixed(1)} % (--max-bad)`,
    got: kinds.join("; "),
  });
}
