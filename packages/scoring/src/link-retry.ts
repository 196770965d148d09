import {
  AssayError,
  type BatchFile,
  formatVersion,
  isSameRetry,
  type Profile,
  type RetryLink,
  retryKey,
  retryLinkBytes,
  retryName,
  retryProfile,
  type Status,
  successKey,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { indexBatch } from "./batch-index.ts";
import { readControl } from "./control-log.ts";
import { type Retry, readFamily } from "./read-family.ts";
import { notComplete, type RetryPorts, retryLines } from "./stage-retry.ts";

export interface LinkedRetry {
  readonly n: number;
  readonly name: string;
  /** "exists": the same command came before, and this is its retry, whatever became of it */
  readonly result: "created" | "exists";
}

/**
 * Decides which rows are asked again: puts `retries/000n.json` under the next number, and nothing else. The same
 * filter and settings as any earlier retry are that retry, so the same command twice is one; `again` makes another
 * one when that is complete. Null, and nothing is written, when no row has such a status. `accept` is asked before a
 * new link is put, since nothing can follow a retry that no engine can run; what it rejects with ends this. Rejects
 * with E_NOT_FINISHED when the batch or another retry of it is not complete (also when somebody else's was put first),
 * E_PROFILE for a setting that does not exist. Idempotent under lost replies and kills: `stageRetry` follows, by
 * whomever.
 */
export async function linkRetry(
  ports: RetryPorts,
  head: BatchFile,
  wanted: { status: readonly Status[]; set: ReadonlyMap<string, string>; again: boolean },
  author: { at: string; by: string },
  accept: (profile: Profile) => Promise<void> = async () => {},
): Promise<LinkedRetry | null> {
  const { store } = ports;
  const link: RetryLink = {
    format: formatVersion,
    filter: { status: [...wanted.status] },
    set: Object.fromEntries(wanted.set),
    at: author.at,
    by: author.by,
  };
  const profile = retryProfile(head, link);
  if ((await store.head(successKey(head.batch))) === null) throw notComplete(head.batch);
  for (;;) {
    const family = await readFamily(store, head);
    const open = family.retries.find(({ complete }) => !complete);
    const same = family.retries.findLast((retry) => isSameRetry(head, retry.link, link));
    if (same !== undefined && (open === same || !wanted.again)) return { n: same.n, name: same.name, result: "exists" };
    if (open !== undefined) throw await notEnded(store, open, link);
    if (!(await holdsAny(retryLines(ports, family, link)))) return null;
    await accept(profile);
    const n = family.retries.length + 1;
    const name = retryName(head.batch, n);
    // first the hint: a kill behind the link must not leave a retry that no worker ever looks for
    await indexBatch(store, name, link.at);
    const put = await store.putIfAbsent(retryKey(head.batch, n), retryLinkBytes(link));
    if (put === "created") return { n, name, result: "created" };
  }
}

async function notEnded(store: ObjectStore, open: Retry, wanted: RetryLink): Promise<AssayError> {
  const { state } = await readControl(store, open.name);
  const stopped = state === "paused" || state === "cancelled";
  const set = Object.entries(open.link.set).map(([key, value]) => ` --set ${key}=${value}`);
  return new AssayError("E_NOT_FINISHED", "another retry of this batch is not complete", {
    where: open.name,
    expected: `its end, before ${wanted.filter.status.join(", ")} are asked again`,
    got: `${state}; begun by ${open.link.by} at ${open.link.at} for ${open.link.filter.status.join(", ")}${set.join("")}`,
    next: `assay ${stopped ? "resume" : "status"} ${open.name}`,
  });
}

async function holdsAny(lines: AsyncGenerator<unknown>): Promise<boolean> {
  const first = await lines.next();
  await lines.return(undefined);
  return first.done !== true;
}
