import {
  AssayError,
  type BatchFile,
  canonicalJson,
  type Pin,
  type Profile,
  pinKey,
  type ResultRow,
  shardKey,
  successKey,
  verdictRule,
} from "@assay/core";
import type { DecodeKeys, DecodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { createKeyTable } from "./key-table.ts";
import { loadBatchIfPresent } from "./load-batch.ts";
import { readPin, refuseOtherPin } from "./pin-batch.ts";
import { readFamily } from "./read-family.ts";

export interface ReusePorts {
  readonly store: ObjectStore;
  readonly decodeShard: DecodeShard;
  readonly decodeKeys: DecodeKeys;
}

/** Results of earlier batches, by row_key. */
export interface Reuse {
  /** keys with an `ok` result */
  readonly size: number;
  /** The `ok` result of this judgement, of the first named batch that has one; null where there is none. */
  find(rowKey: string): Promise<ResultRow | null>;
}

/** Shards fetched at once while the keys are read: hides a bucket's latency; 8 shards of 256 rows are a few MB. */
const readsAtOnce = 8;
/** Decoded shards that are kept: neighbours in one batch were mostly neighbours in the other. */
const keptShards = 32;

/**
 * Reads the keys of the batches that `wanted` names and of their complete retries. The batches must be complete, so
 * that nothing about them changes any more, begun under `pin`, and read by `wanted`'s rule: the row_key knows model,
 * messages and sampling, but neither template nor revision, nor who judged, nor what made a reward of the answer. A
 * retry that read by another rule (`--set min_mass=0`) is left out. Memory: 40 bytes a key. Throws E_USAGE for a batch
 * that is gone, not complete or read by another rule, E_SIMULATED_MIX, E_PIN_MISMATCH.
 */
export async function openReuse(
  ports: ReusePorts,
  wanted: { readonly reuse: readonly string[]; readonly profile: Profile },
  pin: Pin,
): Promise<Reuse> {
  const { store } = ports;
  const files: BatchFile[] = [];
  for (const batch of wanted.reuse) {
    const file = await loadBatchIfPresent(store, batch);
    if (file === null) throw reusedBatchGone(store, batch);
    refuseOtherVerdict(file, wanted.profile);
    await refuseUnfinished(store, batch);
    // a row is ok at most once over a batch and its retries
    const retries = file.parent === undefined ? (await readFamily(store, file)).retries : [];
    const complete = retries.flatMap((retry) => (retry.complete && retry.file !== null ? [retry.file] : []));
    files.push(file, ...complete.filter(({ profile }) => otherFields(profile, wanted.profile).length === 0));
  }
  for (const { batch } of files) {
    const pinned = await readPin(store, batch);
    // a batch that asked nothing has none
    if (pinned === null) continue;
    refuseOtherPin(pinned, pin, pinKey(batch));
    refuseLists(pinned, pin, batch);
  }
  const shards = files.flatMap((file) => [...file.chunks.keys()].map((chunk) => ({ file, chunk })));
  const table = createKeyTable(files.reduce((sum, { counts }) => sum + counts.rows, 0));

  for (let first = 0; first < shards.length; first += readsAtOnce) {
    const some = shards.slice(first, first + readsAtOnce);
    const read = await Promise.all(some.map((one) => fetchShard(store, one).then(ports.decodeKeys)));
    for (const [i, keys] of read.entries()) {
      for (const [row, { rowKey, ok }] of keys.entries()) {
        if (ok && rowKey !== null) table.add(rowKey, { shard: first + i, row });
      }
    }
  }

  const decoded = new Map<number, Promise<ResultRow[]>>();
  const rowsOf = (shard: number): Promise<ResultRow[]> => {
    const one = shards[shard];
    if (one === undefined) throw new RangeError(`no shard ${shard}`);
    const rows =
      decoded.get(shard) ??
      fetchShard(store, one)
        .then(ports.decodeShard)
        .then((whole) => whole.rows);
    // the last used stands last
    decoded.delete(shard);
    decoded.set(shard, rows);
    rows.catch(() => decoded.delete(shard));
    for (const old of decoded.keys()) {
      if (decoded.size <= keptShards) break;
      decoded.delete(old);
    }
    return rows;
  };

  return {
    size: table.size,
    async find(rowKey) {
      const place = table.find(rowKey);
      if (place === null) return null;
      const row = (await rowsOf(place.shard))[place.row];
      return row !== undefined && row.row_key === rowKey && row.status === "ok" ? row : null;
    },
  };
}

/** E_NO_SUCH_BATCH would say of the batch that names it that it is gone, which ends its jobs without a word. */
function reusedBatchGone(store: ObjectStore, batch: string): AssayError {
  return new AssayError("E_USAGE", "a batch named for reuse is gone", {
    where: `${store.uri}/${batch}`,
    expected: "the complete batch that --reuse named",
    got: "no batch.json",
    next: "bring it back, or submit without --reuse",
  });
}

/** A row_key does not know the way of reading: what was read from a list never stands beside exact readings. */
function refuseLists(earlier: Pin, pin: Pin, batch: string): void {
  if ((earlier.read === "top") === (pin.read === "top")) return;
  throw new AssayError("E_PIN_MISMATCH", "rewards read from lists of the likeliest tokens never mix with exact ones", {
    where: pinKey(batch),
    expected: `read ${pin.read ?? "two-step or ids"}`,
    got: `read ${earlier.read ?? "two-step or ids"}`,
    next: "submit without --reuse, or --read as the earlier batch was read",
  });
}

/** Throws E_USAGE for a batch whose answers another rule made rewards of: the same answer may have none under `profile`. */
export function refuseOtherVerdict({ batch, profile: earlier }: BatchFile, profile: Profile): void {
  const fields = otherFields(earlier, profile);
  if (fields.length === 0) return;
  const told = (of: Profile): string =>
    fields.map((name) => `${name} ${JSON.stringify(verdictRule(of)[name])}`).join(", ");
  throw new AssayError("E_USAGE", "rewards that another rule made of the answers stand for no row of this batch", {
    where: batch,
    expected: told(profile),
    got: told(earlier),
    next: "submit without --reuse, or with the profile of the earlier batch",
  });
}

function otherFields(a: Profile, b: Profile): (keyof ReturnType<typeof verdictRule>)[] {
  const [one, other] = [verdictRule(a), verdictRule(b)];
  const names = Object.keys(one) as (keyof typeof one)[];
  return names.filter((name) => canonicalJson(one[name]) !== canonicalJson(other[name]));
}

/** Throws E_USAGE for a batch that is not complete. */
export async function refuseUnfinished(store: ObjectStore, batch: string): Promise<void> {
  if ((await store.head(successKey(batch))) !== null) return;
  throw new AssayError("E_USAGE", "only a complete batch can be reused", {
    where: `${store.uri}/${batch}`,
    expected: "_SUCCESS",
    got: "a batch that is still running",
    next: `assay wait ${batch}`,
  });
}

async function fetchShard(
  store: ObjectStore,
  { file, chunk }: { file: BatchFile; chunk: number },
): Promise<Uint8Array> {
  const key = shardKey(file.batch, chunk);
  const bytes = await store.get(key);
  if (bytes !== null) return bytes;
  throw new AssayError("E_BROKEN", "a complete batch lacks a shard", {
    where: `${store.uri}/${key}`,
    next: `assay verify ${file.batch}`,
  });
}
