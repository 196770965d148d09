import {
  type BatchFile,
  type Pin,
  pinSha256,
  profileSha256,
  type ResultRow,
  type ShardMetadata,
  shardKey,
} from "@assay/core";
import type { EncodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";

/**
 * Makes a chunk's shard exist: the commit. Put-if-absent, so of any number of workers that scored the chunk one wins
 * ("committed") and the others drop their work and still end well ("lost-race"). Never overwrites. Rejects with
 * E_STORE_UNAVAILABLE when the store is away; repeating is safe.
 */
export async function commitShard(
  ports: { store: ObjectStore; encodeShard: EncodeShard },
  file: BatchFile,
  chunk: number,
  rows: readonly ResultRow[],
  found: { pin: Pin; engineVersion: string; software: string },
): Promise<"committed" | "lost-race"> {
  const bytes = ports.encodeShard(rows, shardMetadata(file, chunk, found), file.columns);
  const put = await ports.store.putIfAbsent(shardKey(file.batch, chunk), bytes);
  return put === "created" ? "committed" : "lost-race";
}

export function shardMetadata(
  file: BatchFile,
  chunk: number,
  found: { pin: Pin; engineVersion: string; software: string },
): ShardMetadata {
  return {
    "assay.schema": String(file.schema),
    "assay.batch": file.batch,
    "assay.batch_sha256": file.sha256,
    "assay.chunk": String(chunk),
    "assay.profile": file.profile.name,
    "assay.profile_sha256": profileSha256(file.profile),
    "assay.model": file.model,
    "assay.revision": file.revision ?? "",
    "assay.pin_sha256": pinSha256(found.pin),
    "assay.engine_version": found.engineVersion,
    "assay.logprobs": found.pin.logprobs,
    "assay.software": found.software,
    "assay.simulated": String(found.pin.simulated),
  };
}
