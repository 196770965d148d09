import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { parquetMetadata } from "hyparquet";
import { encodeShard } from "../src/encode-shard.ts";
import { type Decoder, openDecoder } from "../src/open-decoder.ts";
import { bareRow, metadata, okRow, userColumns } from "./result-rows.ts";

let decoder: Decoder | null = null;
afterEach(async () => {
  await decoder?.close();
  decoder = null;
});

const rows = Array.from({ length: 20 }, (_, i) => (i % 4 === 3 ? bareRow(i) : okRow(i)));
const shard = encodeShard(rows, metadata, userColumns);

function flipped(bytes: Uint8Array, at: number, mask: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

test("decodes in its thread what decodeShard decodes, shard after shard, in the order of asking", async () => {
  decoder = openDecoder({ timeLimitMs: 60_000 });
  const { decode } = decoder;
  const decoded = await Promise.all(
    [0, 1, 20].map((n) => decode(encodeShard(rows.slice(0, n), metadata, userColumns))),
  );
  expect(decoded).toEqual([0, 1, 20].map((n) => ({ rows: rows.slice(0, n), metadata, columns: userColumns })));
});

test("bytes that are no shard are E_BROKEN with what was expected, and the next shard is read", async () => {
  decoder = openDecoder({ timeLimitMs: 60_000 });
  await expect(decoder.decode(new Uint8Array(64))).rejects.toMatchObject({ code: "E_BROKEN" });
  expect((await decoder.decode(shard)).rows).toEqual(rows);
});

test("where the current folder was removed no thread begins, and no shard is called broken", async () => {
  decoder = openDecoder({ timeLimitMs: 60_000 });
  const before = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), "assay-gone-"));
  process.chdir(folder);
  rmSync(folder, { recursive: true });
  try {
    await expect(decoder.decode(shard)).rejects.toMatchObject({ code: "E_USAGE" });
  } finally {
    process.chdir(before);
  }
  expect((await decoder.decode(shard)).rows).toEqual(rows);
});

test("a decode that spins is ended by the limit, and the next shard is read by a new thread", async () => {
  decoder = openDecoder({ timeLimitMs: 3_000 });
  await expect(decoder.decode(spinning())).rejects.toMatchObject({
    code: "E_BROKEN",
    message: "decoding a shard did not end within 3 s",
  });
  expect((await decoder.decode(shard)).rows).toEqual(rows);
}, 60_000);

test("a closed decoder lets the process end and may be closed twice", async () => {
  decoder = openDecoder({ timeLimitMs: 60_000 });
  await decoder.decode(shard);
  await decoder.close();
  await decoder.close();
});

test("what waits when it is closed is refused, and begins no new thread", async () => {
  const own = openDecoder({ timeLimitMs: 60_000 });
  const waiting = [1, 2, 3].map(() =>
    own.decode(shard).then(
      () => "rows",
      (error: { code?: unknown }) => error.code,
    ),
  );
  await own.close();
  expect(await own.decode(shard).catch((error: { code?: unknown }) => error.code)).toBe("E_ABORTED");
  // the first may have ended or not; the last cannot have begun
  expect((await Promise.all(waiting)).at(-1)).toBe("E_ABORTED");
});

test("one flipped bit anywhere ends in rows or in E_BROKEN", async () => {
  decoder = openDecoder({ timeLimitMs: 500 });
  const ends = { rows: 0, broken: 0 };
  for (const [at, mask] of places(shard)) {
    const outcome = await decoder.decode(flipped(shard, at, mask)).then(
      () => "rows" as const,
      (error: unknown) => (error as { code?: unknown }).code,
    );
    if (outcome === "rows") ends.rows += 1;
    else {
      expect([at, mask, outcome]).toEqual([at, mask, "E_BROKEN"]);
      ends.broken += 1;
    }
  }
  // Parquet has no checksum here: some flips only change a value, which is why verify compares hashes first
  expect(ends.broken).toBeGreaterThan(20);
}, 120_000);

/** One bit of the page header of a BOOLEAN column, upon which the Parquet reader looks for the rest of the page for ever. */
function spinning(): Uint8Array {
  const scored = encodeShard(
    Array.from({ length: 20 }, (_, i) => okRow(i)),
    metadata,
    userColumns,
  );
  const columns = parquetMetadata(scored.slice().buffer).row_groups.flatMap((group) => group.columns);
  const floored = columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === "floored")?.meta_data;
  if (floored === undefined) throw new Error("no column floored");
  return flipped(scored, Number(floored.data_page_offset) + 8, 0x80);
}

/** Both magics, the footer and its length, and of every column chunk the page header, the middle and the last byte. */
function places(bytes: Uint8Array): [number, number][] {
  const footer = parquetMetadata(bytes.slice().buffer);
  const found: [number, number][] = [
    [0, 1],
    [bytes.length - 1, 1],
    [bytes.length - 8, 1],
    [bytes.length - 6, 1],
  ];
  const footerStart = bytes.length - 8 - footer.metadata_length;
  for (let i = 0; i < footer.metadata_length; i += Math.ceil(footer.metadata_length / 40))
    found.push([footerStart + i, 1 << (i % 8)]);
  for (const { meta_data } of footer.row_groups.flatMap(({ columns }) => columns)) {
    if (meta_data === undefined) throw new Error("a column chunk without metadata");
    const start = Number(meta_data.dictionary_page_offset ?? meta_data.data_page_offset);
    const length = Number(meta_data.total_compressed_size);
    found.push([start + 1, 2], [start + Math.floor(length / 2), 4], [start + length - 1, 1]);
  }
  return found;
}
