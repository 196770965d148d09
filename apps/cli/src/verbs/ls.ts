import { isAssayError } from "@assay/core";
import { listBatches, loadBatchIfPresent } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { JsonFlag, RootFlags } from "../flags.ts";
import { printable } from "../histogram.ts";
import { openStore } from "../open-store.ts";
import { type BatchState, readState } from "../read-state.ts";
import { count, note, result, resultJson } from "../say.ts";
import { showUnplanned } from "../show-unplanned.ts";
import { pairs } from "../submit-settings.ts";
import { tabbed, table } from "../table.ts";

/** Batches read at once: each is a few small requests and its batch.json. */
const atOnce = 8;

/** The batches of a root, newest first: a table on a terminal, tabs without a head line on a pipe. */
export async function ls(
  flags: RootFlags & JsonFlag & { readonly tag: readonly string[]; readonly unplanned?: boolean },
): Promise<void> {
  const store = await openStore(flags.root);
  if (flags.unplanned === true) return showUnplanned(store, flags);
  const tags = pairs("--tag", "k=v", flags.tag);
  const rows: string[][] = [];
  for await (const seen of readBatches(store, tags)) {
    if (flags.json === true) resultJson(lsJson(seen));
    else rows.push(cells(seen));
  }
  if (flags.json === true) return;
  if (rows.length === 0) note(`no batch in ${store.uri}${tags.size === 0 ? "" : " with these tags"}`);
  else if (process.stdout.isTTY === true) for (const line of table([head, ...rows])) result(line);
  else for (const line of tabbed(rows)) result(line);
}

async function* readBatches(store: ObjectStore, tags: ReadonlyMap<string, string>): AsyncGenerator<BatchState> {
  let reading: Promise<BatchState | null>[] = [];
  for await (const batch of listBatches(store)) {
    reading.push(read(store, batch, tags));
    if (reading.length < atOnce) continue;
    for (const seen of await Promise.all(reading)) if (seen !== null) yield seen;
    reading = [];
  }
  for (const seen of await Promise.all(reading)) if (seen !== null) yield seen;
}

/** null: not with these tags, or only begun to be staged. One batch that cannot be read hides no other. */
async function read(store: ObjectStore, batch: string, tags: ReadonlyMap<string, string>): Promise<BatchState | null> {
  try {
    const file = await loadBatchIfPresent(store, batch);
    if (file === null || [...tags].some(([key, value]) => file.tags[key] !== value)) return null;
    return await readState(store, batch, file);
  } catch (error) {
    if (!isAssayError(error, "E_BROKEN") && !isAssayError(error, "E_USAGE")) throw error;
    note(`${batch}: ${error.message}`);
    return null;
  }
}

const head = ["BATCH", "STATE", "DONE", "ROWS", "CREATED", "TAGS"];

function cells({ file, state, doneRows }: BatchState): string[] {
  const number = process.stdout.isTTY === true ? count : String;
  const tags = Object.entries(file.tags).map(([key, value]) => printable(`${key}=${value}`, 80));
  return [file.batch, state, number(doneRows), number(file.counts.rows), file.created_at, tags.join(" ")];
}

function lsJson({ file, state, doneRows }: BatchState) {
  return {
    batch: file.batch,
    state,
    rows: file.counts.rows,
    done: doneRows,
    model: file.model,
    created_at: file.created_at,
    tags: file.tags,
  };
}
