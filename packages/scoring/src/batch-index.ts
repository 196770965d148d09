import {
  AssayError,
  batchKey,
  batchOfOpenKey,
  doneKey,
  donePrefix,
  openKey,
  openPrefix,
  parentOfRetry,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";

/** The root's index: a hint that makes finding batches two LISTs, rebuilt at will from the batches. */

/** Puts a batch into the index. `createdAt` is batch.json's, so that repeating it writes the same name. */
export async function indexBatch(store: ObjectStore, batch: string, createdAt: string): Promise<void> {
  await store.putIfAbsent(openKey(batch, Date.parse(createdAt)), new Uint8Array());
}

export async function indexDone(store: ObjectStore, batch: string): Promise<void> {
  await store.putIfAbsent(doneKey(batch), new Uint8Array());
}

/** All batches of a root, newest first, each once. */
export async function* listBatches(store: ObjectStore): AsyncGenerator<string> {
  const seen = new Set<string>();
  for await (const { key } of store.list(openPrefix)) {
    const batch = batchOfOpenKey(key);
    if (seen.has(batch)) continue;
    seen.add(batch);
    yield batch;
  }
}

/** Batches without `_SUCCESS` so far as the index knows, oldest first: who came first is served first. */
export async function listOpenBatches(store: ObjectStore): Promise<string[]> {
  const done = new Set<string>();
  for await (const { key } of store.list(donePrefix)) done.add(key.slice(donePrefix.length));
  const open: string[] = [];
  for await (const batch of listBatches(store)) if (!done.has(batch)) open.push(batch);
  return open.reverse();
}

/**
 * The batch a person means: its name, a unique prefix of it, `latest`, or its own path. Throws E_NO_SUCH_BATCH with
 * what is there.
 */
export async function findBatch(store: ObjectStore, text: string): Promise<string> {
  const wanted = text.replace(/\/+$/, "").split("/").at(-1) ?? text;
  const found: string[] = [];
  // every name begins with nothing: an unset variable of a script must not mean the root's only batch
  if (wanted === "") throw noSuchBatch(store, text, found);
  for await (const batch of listBatches(store)) {
    if (batch === wanted) return batch;
    // a retry is found by its whole name only: a beginning, and latest, mean the batch whose family it is in
    if (parentOfRetry(batch) !== null) continue;
    if (wanted === "latest") return batch;
    if (batch.startsWith(wanted)) found.push(batch);
  }
  if (found.length === 1 && found[0] !== undefined) return found[0];
  if (found.length === 0 && isPlausibleName(wanted) && (await store.head(batchKey(wanted))) !== null) return wanted;
  throw noSuchBatch(store, text, found);
}

function noSuchBatch(store: ObjectStore, text: string, found: readonly string[]): AssayError {
  return new AssayError(
    "E_NO_SUCH_BATCH",
    found.length === 0 ? "no such batch in this root" : "more than one batch begins so",
    {
      where: store.uri,
      expected: "a batch name, a unique beginning of one, or latest",
      got: text === "" ? "nothing" : found.length === 0 ? text : `${text}: ${found.slice(0, 5).join(", ")}`,
    },
  );
}

function isPlausibleName(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]*$/.test(text);
}
