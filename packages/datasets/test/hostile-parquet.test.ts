import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parquetMetadata } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { encodeShard } from "../src/encode-shard.ts";
import { readParquet } from "../src/read-parquet.ts";
import { duckdb } from "./duckdb.ts";
import { inputOf, tell, tellToEnd } from "./input-of.ts";
import { metadata, okRow, userColumns } from "./result-rows.ts";

const seed = 20_261_126;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-hostile-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function duckdbFile(name: string, options: string): Promise<Uint8Array> {
  const path = join(folder, `${name}.parquet`);
  const query = `select 'q' || (i % 5) as prompt, case when i % 3 = 0 then null else 'an answer ' || i end as response,
    [i, i + 1] as list, {'a': i % 2 = 0, 'b': 'x' || i} as struct, i % 7 = 0 as flag, i / 3.0 as number, i * 1000 as big
    from range(60) t(i)`;
  await duckdb(`COPY (${query}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048${options})`);
  return readFile(path);
}

const files: readonly [string, () => Promise<Uint8Array>][] = [
  [
    "our own",
    async () =>
      encodeShard(
        Array.from({ length: 20 }, (_, i) => okRow(i)),
        metadata,
        userColumns,
      ),
  ],
  ["DuckDB's", () => duckdbFile("v1", "")],
  ["DuckDB's, uncompressed", () => duckdbFile("plain", ", COMPRESSION uncompressed")],
  ["DuckDB's second version", () => duckdbFile("v2", ", PARQUET_VERSION V2")],
];

/** Rows, or the code with its place. */
async function ends(bytes: Uint8Array): Promise<string> {
  try {
    await tell(readParquet(await inputOf(bytes).ranges(), { where: "x.parquet" }));
    return "rows";
  } catch (error) {
    const { code, where } = error as { code?: unknown; where?: string };
    return `${String(code ?? error)} at ${where?.slice(0, 9)}`;
  }
}

describe("Parquet with damaged bytes", () => {
  test.each(files)(
    `%s file ends in rows or in E_INPUT_UNREADABLE, and it ends (seed ${seed})`,
    async (_name, make) => {
      const whole = await make();
      expect(await ends(whole)).toBe("rows");
      const seen = new Set<string>();
      // the places that steer the reader are the footer and the page headers: small, and hit often enough
      const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 3,
      });
      await fc.assert(
        fc.asyncProperty(damage, async (places) => {
          const bytes = Uint8Array.from(whole);
          for (const [at, mask] of places) bytes[at] = (bytes[at] ?? 0) ^ mask;
          const end = await ends(bytes);
          seen.add(end);
          expect(["rows", "E_INPUT_UNREADABLE at x.parquet"]).toContain(end);
        }),
        { seed, numRuns: 300 },
      );
      expect([...seen].sort()).toEqual(["E_INPUT_UNREADABLE at x.parquet", "rows"]);
    },
    60_000,
  );

  test("a byte changed in a page or its header makes no cell null, which would pass for one that was", async () => {
    const rows = Array.from({ length: 30 }, (_, i) => i);
    const columnData = [
      { name: "dictionary", data: rows.map((i) => ["a", "bb", "ccc"][i % 3]) },
      { name: "plain", data: rows.map((i) => `${i}`) },
    ];
    const whole = new Uint8Array(parquetWriteBuffer({ columnData }));
    const pages = whole.length - 8 - parquetMetadata(Uint8Array.from(whole).buffer).metadata_length;
    const seen = { rows: 0, refused: 0 };
    for (let at = 4; at < pages; at += 1) {
      for (const mask of [1, 4, 64]) {
        const bytes = Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ mask : byte));
        const { told, error } = await tellToEnd(readParquet(await inputOf(bytes).ranges(), { where: "x.parquet" }));
        seen[error === null ? "rows" : "refused"] += 1;
        const cells = told.records.flatMap(({ parsed }) => (parsed.ok ? Object.values(parsed.value as object) : []));
        expect([at, mask, cells.includes(null)]).toEqual([at, mask, false]);
      }
    }
    expect(Math.min(seen.rows, seen.refused)).toBeGreaterThan(50);
  });

  test("a file that is cut anywhere cannot be read on", async () => {
    const whole = await duckdbFile("cut", "");
    for (let length = 0; length < whole.length; length += 37)
      expect([length, await ends(whole.subarray(0, length))]).toEqual([length, "E_INPUT_UNREADABLE at x.parquet"]);
  });
});
