import { canonicalJson } from "./canonical-json.ts";
import type { NormalisedRecord } from "./normalise-record.ts";
import type { BadLine, ResponseLine, RowsLine } from "./row.ts";
import { sha256 } from "./sha256.ts";

type GoodRecord = Extract<NormalisedRecord, { readonly ok: true }>;

/** Where a record stands in the inputs, and the first `row_index` that is free. */
export interface RecordPlace {
  readonly input: string;
  readonly inputLine: number;
  readonly offset: number;
  readonly rowIndex: number;
}

/**
 * The lines of rows/ that a record becomes: one per response, principles inside, every principle its own row_index
 * from `rowIndex` on (responses outer, principles inner). A bad record is one line and takes one row_index.
 */
export function recordLines(record: NormalisedRecord, place: RecordPlace): RowsLine[] {
  const defaultId = `${inputStem(place.input)}:${place.inputLine}`;
  if (!record.ok) {
    const bad: BadLine = {
      row_index: place.rowIndex,
      id: defaultId,
      input: place.input,
      input_line: place.inputLine,
      bad: record.bad,
      at: place.offset,
    };
    return [record.field === undefined ? bad : { ...bad, field: record.field }];
  }
  const group = record.group ?? sha256(canonicalJson(record.messages)).slice(0, 16);
  return record.responses.map((response, responseIndex): ResponseLine => {
    const first = place.rowIndex + responseIndex * record.principles.length;
    return {
      row_index: first,
      id: record.id ?? defaultId,
      group,
      input: place.input,
      input_line: place.inputLine,
      response_index: responseIndex,
      messages: record.messages,
      response,
      principles: record.principles.map((text, i) => ({ row_index: first + i, principle_index: i, text })),
      carried: carriedBy(record, responseIndex),
    };
  });
}

function carriedBy({ carried, perResponse }: GoodRecord, response: number): ResponseLine["carried"] {
  const own = perResponse?.[response];
  return own === undefined ? carried : { ...carried, ...own };
}

/** Rows of a line: what it adds to the batch's row count. */
export function rowCount(line: RowsLine): number {
  return "bad" in line ? 1 : line.principles.length;
}

/** Compact JSON in the field order of FORMATS, with its newline. The bytes that chunks are hashed over. */
export function serialiseLine(line: RowsLine): string {
  const { row_index, id, input, input_line } = line;
  if ("bad" in line) {
    const { bad, at, field } = line;
    return `${JSON.stringify({ row_index, id, input, input_line, bad, at, field })}\n`;
  }
  const { group, response_index, response, carried } = line;
  const messages = line.messages.map(({ role, content }) => ({ role, content }));
  const principles = line.principles.map(({ row_index, principle_index, text }) => ({
    row_index,
    principle_index,
    text,
  }));
  return `${JSON.stringify({ row_index, id, group, input, input_line, response_index, messages, response, principles, carried })}\n`;
}

/** File name without folders and without the endings we read. */
export function inputStem(input: string): string {
  const base = input.split("/").at(-1) ?? input;
  return base.replace(/\.(gz|zst)$/i, "").replace(/\.(jsonl|ndjson|json|csv|parquet)$/i, "") || base;
}
