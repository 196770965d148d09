import {
  AssayError,
  type BatchFile,
  type RetryLink,
  retriesPrefix,
  retryKey,
  retryLinkSchema,
  retryName,
  successKey,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { loadBatch, loadBatchIfPresent } from "./load-batch.ts";

/** One retry of a batch: its link, and the child batch once it is staged. */
export interface Retry {
  readonly n: number;
  readonly name: string;
  readonly link: RetryLink;
  /** null: linked and not staged yet, which any worker does */
  readonly file: BatchFile | null;
  readonly complete: boolean;
}

/** A batch and its chain of retries, oldest first. */
export interface Family {
  readonly head: BatchFile;
  readonly retries: readonly Retry[];
}

/** One LIST and three small requests a retry. Rejects with E_BROKEN for a link that is none of ours, or a gap in the chain. */
export async function readFamily(store: ObjectStore, head: BatchFile): Promise<Family> {
  const retries: Retry[] = [];
  for await (const { key } of store.list(retriesPrefix(head.batch))) {
    const n = retries.length + 1;
    if (key !== retryKey(head.batch, n)) {
      throw new AssayError("E_BROKEN", "the chain of retries has a gap, or holds a foreign file", {
        where: key,
        expected: retryKey(head.batch, n),
      });
    }
    const name = retryName(head.batch, n);
    const [link, file, success] = await Promise.all([
      readLink(store, key),
      loadBatchIfPresent(store, name),
      store.head(successKey(name)),
    ]);
    retries.push({ n, name, link, file, complete: success !== null });
  }
  return { head, retries };
}

/** The family of a batch, or of the batch whose retry it is. */
export async function readFamilyOf(store: ObjectStore, file: BatchFile): Promise<Family> {
  return readFamily(store, file.parent === undefined ? file : await loadBatch(store, file.parent.batch));
}

async function readLink(store: ObjectStore, key: string): Promise<RetryLink> {
  const bytes = await store.get(key);
  try {
    return retryLinkSchema.parse(JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array())));
  } catch (cause) {
    throw new AssayError("E_BROKEN", "the link of a retry is not one of ours", { where: key, cause });
  }
}
