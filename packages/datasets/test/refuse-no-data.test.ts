import { expect, test } from "@jest/globals";
import { chooseFormat } from "../src/choose-format.ts";
import { records } from "../src/importers/records.ts";
import { recordReader } from "../src/read-records.ts";
import { inputOf, tell } from "./input-of.ts";

const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
const line = '{"prompt":"Q","response":"A","principle":"p"}\n';

function read(bytes: string, input: string) {
  const reader = recordReader(records, { detected: false, columns: [], map: {} });
  return tell(reader(inputOf(bytes, 5), { input, where: `in/${input}` }));
}

test.each([
  ["a pointer of Git LFS", pointer, "a.parquet", /pointer/],
  ["a pointer of Git LFS", pointer, "a.jsonl", /pointer/],
  ["nothing", "", "a.parquet", /empty/],
  ["nothing", "", "a.jsonl.gz", /empty/],
  ["nothing", "", "a.csv.ZST", /empty/],
  ["a page of a server", "<html>\n", "a.parquet", /another kind/],
  ["an encrypted Parquet file", "PARE\0\0\0\0", "a.parquet", /encrypted/],
])("%s in the place of a file is refused and is no few bad records: %j in %s", async (_, bytes, input, message) => {
  const error = { code: "E_INPUT_UNREADABLE", where: `in/${input}`, message: expect.stringMatching(message) };
  await expect(read(bytes, input)).rejects.toMatchObject(error);
  await expect(chooseFormat([{ ...inputOf(bytes), input, where: `in/${input}` }])).rejects.toMatchObject(error);
});

test.each([
  ["a.jsonl", "", 0],
  ["stdin", "", 0],
  ["a.parquet", line, 1],
  ["a.jsonl.gz", line, 1],
  ["a.parquet", `[${line}]`, 1],
])("what may be: %s of %j", async (input, bytes, count) => {
  expect((await read(bytes, input)).records).toHaveLength(count);
});
