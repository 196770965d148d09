import {
  type InputBytes,
  normaliseRecord,
  parseRows,
  type RecordSettings,
  type RowsLine,
  recordLines,
  serialiseLine,
} from "@assay/core";
import { csv } from "../src/importers/csv.ts";
import { records } from "../src/importers/records.ts";
import type { ReadRecord } from "../src/read-jsonl.ts";
import { recordReader } from "../src/read-records.ts";
import { tell } from "./input-of.ts";

const usual: RecordSettings = {
  roles: ["system", "user", "assistant"],
  principles: ["correctness"],
  map: {},
  columns: [],
  carryAll: false,
};

/** The lines of rows/ that an input becomes, as a worker reads them out of the stored bytes. */
export async function storedLines(
  source: InputBytes,
  input: string,
  more: Partial<RecordSettings> = {},
): Promise<RowsLine[]> {
  const settings = { ...usual, ...more };
  const reader = recordReader(input.endsWith(".csv") ? csv : records, {
    detected: false,
    columns: settings.columns,
    map: settings.map,
  });
  const { records: read } = await tell(reader(source, { where: input, input }));
  return storeRecords(read, input, settings);
}

/** The same of records that were read. */
export function storeRecords(read: readonly ReadRecord[], input: string, settings: RecordSettings): RowsLine[] {
  const text = read
    .map(({ line, offset, parsed }, rowIndex) => {
      const record = parsed.ok ? normaliseRecord(parsed.value, settings) : parsed;
      return recordLines(record, { input, inputLine: line, offset, rowIndex }).map(serialiseLine).join("");
    })
    .join("");
  return parseRows(new TextEncoder().encode(text));
}
