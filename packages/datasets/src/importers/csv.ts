import { BadRecord, type UserColumn } from "@assay/core";
import type { Importer, RawRecord } from "../importer.ts";
import { readPromptText } from "../prompt-text.ts";

/** Fields of ours that are lists; in a cell they stand as JSON. */
const lists = ["messages", "prompt", "responses", "principles"] as const;

/**
 * CSV cells as the fields of a record. A cell of a list is read as JSON where it begins with "[", and one of a column
 * that was asked for as a number or a boolean is read as that. An empty cell is a field that is not there.
 */
export const csv: Importer = {
  name: "csv",
  title: "CSV with a header line: prompt, response, principle, or what --map names",
  signs: null,
  columns: [],
  map: null,
  toRecord(raw, { columns, map }) {
    const record: { [field: string]: unknown } = { ...raw };
    for (const ours of lists) {
      const field = map[ours] ?? ours;
      const cell = raw[field];
      if (typeof cell !== "string" || !cell.startsWith("[")) continue;
      record[field] = ours === "prompt" ? readPromptText(cell) : readList(cell, field);
    }
    for (const column of columns) {
      if (column.type !== "string" && Object.hasOwn(raw, column.name)) record[column.name] = readTyped(raw, column);
    }
    return { record };
  },
};

function readList(cell: string, field: string): unknown {
  try {
    return JSON.parse(cell) as unknown;
  } catch {
    throw new BadRecord("wrong_type", field);
  }
}

function readTyped(raw: RawRecord, { name, type }: UserColumn): unknown {
  const cell = raw[name];
  if (typeof cell !== "string") return cell;
  const text = cell.trim();
  if (type === "boolean") {
    const known = new Map([
      ["true", true],
      ["false", false],
      ["1", true],
      ["0", false],
    ]).get(text.toLowerCase());
    if (known === undefined) throw new BadRecord("wrong_type", name);
    return known;
  }
  // Number("") is 0 and Number("0x10") is 16, which no cell means
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) throw new BadRecord("wrong_type", name);
  return Number(text);
}
