import { AssayError } from "@assay/core";
import { parquetReadObjects } from "hyparquet";

/** row_key and whether the row is ok, in row order. */
export type DecodeKeys = (bytes: Uint8Array) => Promise<{ rowKey: string | null; ok: boolean }[]>;

/** Two columns of a shard, for whoever looks for results by key. Throws E_BROKEN when they cannot be read. */
export async function decodeKeys(bytes: Uint8Array): Promise<{ rowKey: string | null; ok: boolean }[]> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  try {
    const rows = await parquetReadObjects({ file, columns: ["row_key", "status"] });
    return rows.map(({ row_key, status }) => ({
      rowKey: typeof row_key === "string" ? row_key : null,
      ok: status === "ok",
    }));
  } catch (cause) {
    throw new AssayError("E_BROKEN", "a shard's keys cannot be read", {
      got: String((cause as { message?: unknown }).message ?? cause),
      cause,
    });
  }
}
