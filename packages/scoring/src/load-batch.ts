import { AssayError, type BatchFile, batchFileSchema, batchKey, formatVersion } from "@assay/core";
import type { ObjectStore } from "@assay/store";

/**
 * batch.json, validated. Throws E_NO_SUCH_BATCH without one (a folder without it is no batch), E_USAGE for another
 * format, E_BROKEN for one that is none of ours or another batch's: its keys would lead into that one's folder.
 */
export async function loadBatch(store: ObjectStore, batch: string): Promise<BatchFile> {
  const file = await loadBatchIfPresent(store, batch);
  if (file === null) {
    throw new AssayError("E_NO_SUCH_BATCH", "no such batch in this root", { where: `${store.uri}/${batch}` });
  }
  return file;
}

export async function loadBatchIfPresent(store: ObjectStore, batch: string): Promise<BatchFile | null> {
  const bytes = await store.get(batchKey(batch));
  if (bytes === null) return null;
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new AssayError("E_BROKEN", "batch.json is not JSON", { where: batchKey(batch), cause });
  }
  const format = (raw as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format !== formatVersion) {
    throw new AssayError("E_USAGE", "this batch was planned by another generation of Assay", {
      where: batchKey(batch),
      expected: `format ${formatVersion}`,
      got: `format ${format}`,
      next: "finish it with the version of Assay that planned it",
    });
  }
  const parsed = batchFileSchema.safeParse(raw);
  if (!parsed.success) {
    throw new AssayError("E_BROKEN", "batch.json is not one of ours", { where: batchKey(batch), cause: parsed.error });
  }
  if (parsed.data.batch !== batch) {
    throw new AssayError("E_BROKEN", "batch.json is another batch's", {
      where: batchKey(batch),
      expected: batch,
      got: parsed.data.batch,
    });
  }
  return parsed.data;
}
