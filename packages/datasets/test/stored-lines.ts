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
import { recordReader } from "../src/read-records.ts";
import { tell } from "./input-of.ts";

/** The lines of rows/ that an input becomes, as a worker reads them out of the stored bytes. */
export async function storedLines(
  source: InputBytes,
  input: string,
  more: Partial<RecordSettings> = {},
): Promise<RowsLine[]> {
  const settings: RecordSettings = {
    roles: ["system", "user", "assistant"],
    principles: ["correctness"],
    map: {},
    columns: [],
    carryAll: false,
    ...more,
  };
  const reader = recordReader(input.endsWith(".csv") ? csv : records, {
    detected: false,
    columns: settings.columns,
    map: settings.map,
  });
  const read = await tell(reader(source, { where: input, input }));
  const text = read.records
    .map(({ line, offset, parsed }, rowIndex) => {
      const record = parsed.ok ? normaliseRecord(parsed.value, settings) : parsed;
      return recordLines(record, { input, inputLine: line, offset, rowIndex }).map(serialiseLine).join("");
    })
    .join("");
  return parseRows(new TextEncoder().encode(text));
}
