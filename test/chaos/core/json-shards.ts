import { AssayError, type UserColumn } from "@assay/core";
import type { DecodedShard, DecodeShard, EncodeShard } from "@assay/datasets";

/** Shards as JSON: a hundredth of the price of Parquet, for nights that are not about the codec. */
export const encodeJsonShard: EncodeShard = (rows, metadata, columns) =>
  new TextEncoder().encode(JSON.stringify({ rows, metadata, columns }));

export const decodeJsonShard: DecodeShard = async (bytes) => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as DecodedShard & { columns: UserColumn[] };
  } catch (cause) {
    throw new AssayError("E_BROKEN", "a shard of a night is not JSON", { cause });
  }
};
