import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RangeReader } from "@assay/core";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parquetMetadata } from "hyparquet";
import { ByteWriter, parquetWriteBuffer } from "hyparquet-writer";
import { writeMetadata } from "hyparquet-writer/src/metadata.js";
import { chooseFormat } from "../src/choose-format.ts";
import { importerByName } from "../src/detect-format.ts";
import { readParquet } from "../src/read-parquet.ts";
import { readOwnRecords } from "../src/read-records.ts";
import { duckdb } from "./duckdb.ts";
import { inputOf, short, tell } from "./input-of.ts";
import { fixture, linesOf } from "./read-fixture.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-parquet-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A Parquet file that DuckDB, a stranger to our reader, wrote of a query. */
async function parquet(query: string, options = ""): Promise<Uint8Array> {
  const path = join(folder, `${Math.random()}.parquet`);
  await duckdb(`COPY (${query}) TO '${path}' (FORMAT parquet${options})`);
  return readFile(path);
}

const read = async (bytes: Uint8Array, leaveOut: readonly string[] = []) =>
  tell(readParquet(await inputOf(bytes).ranges(), { where: "x.parquet", leaveOut }));

describe("read-parquet", () => {
  test("cells as JSON would have them: nested, 64-bit, decimals, times, NaN, what is missing", async () => {
    const bytes = await parquet(`
      select 'é' as t, 7::bigint as small, 9007199254740993::bigint as large, 1.5::double as d,
        0.3::decimal(2, 1) as tenths, -1.005::decimal(38, 3) as wide,
        'NaN'::double as nan, null::int as nothing, true as yes, 3::tinyint as tiny,
        date '2026-01-02' as day, timestamp '2026-01-02 03:04:05' as s, timestamp '2026-01-02 03:04:05.123456' as us,
        timestamp '1969-12-31 23:59:59.999999' as before, timestamp_ns '2026-01-02 03:04:05.123456789' as ns,
        [{'role': 'user', 'content': 'Q'}, {'role': 'assistant', 'content': null}] as messages,
        []::varchar[] as empty, ['a', null] as holes, {'a': {'b': [1, 2]}} as deep, '\\xFF\\x00'::blob as bytes`);
    expect(short(await read(bytes))).toEqual([
      [
        1,
        {
          t: "é",
          small: 7,
          large: "9007199254740993",
          d: 1.5,
          tenths: 0.3,
          wide: -1.005,
          nan: null,
          nothing: null,
          yes: true,
          tiny: 3,
          day: "2026-01-02",
          s: "2026-01-02T03:04:05.000Z",
          us: "2026-01-02T03:04:05.123456Z",
          before: "1969-12-31T23:59:59.999999Z",
          ns: "2026-01-02T03:04:05.123456789Z",
          messages: [
            { role: "user", content: "Q" },
            { role: "assistant", content: null },
          ],
          empty: [],
          holes: ["a", null],
          deep: { a: { b: [1, 2] } },
          bytes: null,
        },
      ],
    ]);
  });

  test("decimals keep their digits: numbers where a number has them, else text; nested, too", async () => {
    const bytes = await parquet(`
      select 0.3::decimal(2, 1) as tenths, [0.3::decimal(2, 1), null] as list, {'a': 0.07::decimal(4, 2)} as struct,
        12345678901234.5678::decimal(18, 4) as rounded, -0.000000000000000001::decimal(38, 18) as tiny,
        9007199254740993::decimal(38, 0) as large, -9007199254740993.50::decimal(38, 2) as half, 0::decimal(9, 3) as zero`);
    expect(short(await read(bytes))).toEqual([
      [
        1,
        {
          tenths: 0.3,
          list: [0.3, null],
          struct: { a: 0.07 },
          rounded: "12345678901234.5678",
          tiny: -1e-18,
          large: "9007199254740993",
          half: "-9007199254740993.50",
          zero: 0,
        },
      ],
    ]);
  });

  test("JSON cells are values, and one that is none makes its row bad", async () => {
    const written = parquetWriteBuffer({
      schema: [
        { name: "root", num_children: 1 },
        { name: "j", type: "BYTE_ARRAY", repetition_type: "OPTIONAL", converted_type: "JSON" },
      ],
      columnData: [{ name: "j", data: [{ a: [1] }, null, "x"] }],
    });
    expect(short(await read(new Uint8Array(written)))).toEqual([
      [1, { j: { a: [1] } }],
      [2, { j: null }],
      [3, { j: "x" }],
    ]);
    // the text of the first cell, in as many bytes
    const broken = Buffer.from(written);
    for (let at = broken.indexOf('{"a":[1]}'); at >= 0; at = broken.indexOf('{"a":[1]}', at + 1)) broken[at] = 0x5b;
    expect(short(await read(broken))[0]).toEqual([1, "invalid_json"]);
  });

  test("a key of a map that would be lost ends the reading", async () => {
    const map = (key: string): Promise<Uint8Array> => parquet(`select map {'a': 1, '${key}': 2} as m`);
    expect(short(await read(await map("b")))).toEqual([[1, { m: { a: 1, b: 2 } }]]);
    await expect(read(await map("__proto__"))).rejects.toMatchObject({ code: "E_INPUT_UNREADABLE" });
  });

  test.each(["uncompressed", "snappy", "gzip", "zstd", "lz4_raw", "brotli"])("%s is read", async (codec) => {
    const bytes = await parquet("select i, repeat('x', 50) || i as t from range(500) s(i)", `, CODEC '${codec}'`);
    const { records } = await read(bytes);
    expect(records.map(({ parsed }) => parsed.ok && parsed.value)).toEqual(
      Array.from({ length: 500 }, (_, i) => ({ i, t: `${"x".repeat(50)}${i}` })),
    );
  });

  test("row group by row group: rows stand in order, and no more than one group is fetched before its rows are out", async () => {
    const bytes = await parquet(
      "select i, repeat(md5(i::varchar), 40) as t from range(20000) s(i)",
      ", ROW_GROUP_SIZE 2048",
    );
    const ranges = await counted(bytes);
    let ahead = 0;
    const lines: number[] = [];
    for await (const { records } of readParquet(ranges, { where: "x" })) {
      lines.push(...records.map(({ line }) => line));
      ahead = Math.max(ahead, ranges.fetched() - (bytes.length * lines.length) / 20_000);
    }
    expect(lines).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
    // the footer's first fetch of 512 kB, and one group of ten
    expect(ahead).toBeLessThan(524_288 + bytes.length / 8);
  });

  test("LZ4 whose dictionary holds nothing: a column that is all null, as pyarrow writes it", async () => {
    const written =
      "UEFSMRUEFQAVAkwVABUAEgAAABUAFQ4VECwVBBUQFQYVBhwAAABwAgAAAAQAABUEFRQVFkwVBBUAEgAAoAEAAAB4AQAAAHkVABUS" +
      "FRQsFQQVEBUGFQYcAAAAkAIAAAAEAQEDAhUEGTw1ABgGc2NoZW1hFQQAFQwlAhgBYSUATBwAAAAVDCUCGAFiJQBMHAAAABYEGRwZ" +
      "LCYAHBUMGTUABhAZGAFhFQ4WBBZQFlQmJiYIKSwVBBUAFQIAFQAVEBUCADwWABkGGSYEAAAAACYAHBUMGTUABhAZGAFiFQ4WBBZo" +
      "FmwmjgEmXCksFQQVABUCABUAFRAVAgA8FgQZBhkmAAQAAAAWuAEWBCYIFsABACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAy" +
      "Ni4wLjEZLBwAABwAAADWAAAAUEFSMQ==";
    expect(short(await read(Buffer.from(written, "base64")))).toEqual([
      [1, { a: null, b: "x" }],
      [2, { a: null, b: "y" }],
    ]);
  });

  test("a row group of more cells than can be held is refused by its footer, however few bytes it has", async () => {
    const bytes = await parquet("select 'x' as a, 'y' as b, [1, 2] as c from range(3000)", ", ROW_GROUP_SIZE 4096");
    const reading = async (maxGroupCells: number, leaveOut: readonly string[] = []) =>
      tell(readParquet(await inputOf(bytes).ranges(), { where: "x.parquet", leaveOut, maxGroupCells }));
    // the rows, two flat columns, and a list of two in each
    const refused = {
      code: "E_INPUT_UNREADABLE",
      where: "x.parquet, row group 1",
      expected: "at most 14999 cells and rows",
      got: "15000",
    };
    await expect(reading(14_999)).rejects.toMatchObject(refused);
    expect((await reading(15_000)).records).toHaveLength(3_000);
    expect((await reading(9_000, ["c"])).records).toHaveLength(3_000);
  });

  test("columns that are left out are not fetched", async () => {
    const bytes = await parquet(
      "select i, [md5(i::varchar)] as content, repeat(md5(i::varchar), 400) as token_ids from range(2000) s(i)",
    );
    const ranges = await counted(bytes);
    const { records } = await tell(readParquet(ranges, { where: "x", leaveOut: ["token_ids"] }));
    expect(records[0]?.parsed).toEqual({ ok: true, value: { i: 0, content: [expect.any(String)] } });
    expect(ranges.fetched()).toBeLessThan(524_288 + 200_000);
  });

  test("text that is no UTF-8 makes its row bad, no other", async () => {
    const good = await parquet(
      "select 'aaaaaaaa' as t union all select 'bbbbbbbb' order by t",
      ", CODEC 'uncompressed'",
    );
    const broken = Buffer.from(good);
    // the dictionary or the page: whichever holds the cell; statistics hold copies, which nobody reads here
    for (let at = broken.indexOf("bbbbbbbb"); at >= 0; at = broken.indexOf("bbbbbbbb", at + 1)) broken[at] = 0xff;
    expect(short(await read(broken))).toEqual([
      [1, { t: "aaaaaaaa" }],
      [2, "invalid_utf8"],
    ]);
  });

  test("no rows are no records, and an input of ours is told by its first bytes, whatever its name", async () => {
    expect((await read(await parquet("select 1 as a where false"))).records).toEqual([]);
    const bytes = await parquet("select 'Q' as prompt, 'A' as response");
    const told = await tell(readOwnRecords(inputOf(bytes, 3), { where: "a.jsonl", input: "a.jsonl" }));
    expect(short(told)).toEqual([[1, { prompt: "Q", response: "A" }]]);
  });

  test.each([
    ["a cut end", (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 9)],
    ["nothing but the first bytes", (bytes: Uint8Array) => bytes.subarray(0, 4)],
    ["a broken footer", (bytes: Uint8Array) => withoutFooter(bytes)],
    ["a footer without one of its row groups", (bytes: Uint8Array) => withoutGroup(bytes)],
  ])("%s cannot be read on", async (_name, damage) => {
    await expect(read(damage(await parquet("select 1 as a")))).rejects.toMatchObject({
      code: "E_INPUT_UNREADABLE",
      where: expect.stringContaining("x.parquet"),
    });
  });
});

/** The footer's bytes as zeros; its length and the signature stay. */
function withoutFooter(bytes: Uint8Array): Uint8Array {
  const broken = Buffer.from(bytes);
  const length = broken.readUInt32LE(broken.length - 8);
  return broken.fill(0, broken.length - 8 - length, broken.length - 8);
}

/** The file with a footer that counts all rows and names no row group. */
function withoutGroup(bytes: Uint8Array): Uint8Array {
  const footer = parquetMetadata(Uint8Array.from(bytes).buffer);
  const writer = new ByteWriter();
  writer.appendBytes(bytes.subarray(0, bytes.length - 8 - footer.metadata_length));
  writeMetadata(writer, { ...footer, row_groups: [] });
  writer.appendUint32(0x31_52_41_50);
  return new Uint8Array(writer.getBytes());
}

/** Counts what is read of it. */
async function counted(bytes: Uint8Array): Promise<RangeReader & { fetched(): number }> {
  const ranges = await inputOf(bytes).ranges();
  let fetched = 0;
  return {
    ...ranges,
    fetched: () => fetched,
    async read(from, to) {
      fetched += to - from;
      return ranges.read(from, to);
    },
  };
}

/** Formats whose fixture has one type a column, as a Parquet file must. */
const asParquet = [
  ["helpsteer3-principle", "helpsteer3-principle.jsonl"],
  ["helpsteer3-edit-quality", "helpsteer3-edit-quality.jsonl"],
  ["judgebench", "judgebench.jsonl"],
  ["rewardbench-2", "rewardbench-2.jsonl"],
  ["rm-bench", "math_filtered.json"],
  ["trl", "trl.jsonl"],
] as const;

describe("formats as Parquet", () => {
  test.each(asParquet)("%s: found by its columns, and the same lines as from JSON", async (name, file) => {
    const json = join(folder, file);
    await writeFile(json, fixture(file));
    const bytes = await parquet(`select * from read_json_auto('${json}', maximum_depth = -1)`);
    // the name says the domain to RM-Bench and stands in the ids
    const input = file.replace(/\.jsonl?$/, ".parquet");
    expect((await chooseFormat([{ input, where: input, ...inputOf(bytes) }])).name).toBe(name);
    const [from, expected] = [
      await linesOf(importerByName(name), input, inputOf(bytes)),
      await linesOf(importerByName(name), file),
    ];
    expect(from.lines).toEqual(expected.lines);
    expect(from.groups).toEqual(expected.groups);
  });
});
