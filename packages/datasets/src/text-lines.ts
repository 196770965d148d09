import { stringify } from "csv-stringify/sync";

/** Turns flat objects into the text of a file, piece by piece. */
export interface TextLines {
  /** the text of these rows; "" for none */
  rows(rows: readonly object[]): string;
  /** what the file still lacks: the header of a CSV without rows */
  end(): string;
}

/**
 * jsonl: one JSON object a line, as it is given. csv: RFC 4180 but with "\n", a header and these columns; null is an
 * empty cell, an empty text is "", lists and objects are JSON text.
 */
export function createTextLines(format: "jsonl" | "csv", columns: readonly string[]): TextLines {
  if (format === "jsonl") {
    return { rows: (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join(""), end: () => "" };
  }
  let header = true;
  const lines = (rows: readonly object[]): string => {
    const text = stringify([...rows], {
      columns: [...columns],
      header,
      record_delimiter: "\n",
      // a carriage return, too: in no quotes readers take it for the end of the row, or a part of it
      quote_record_delimiter: true,
      cast: {
        boolean: (value) => String(value),
        object: (value) => JSON.stringify(value),
        string: (value) => (value === "" ? { value, quoted_empty: true } : value),
      },
    });
    header = false;
    return text;
  };
  return { rows: (rows) => (rows.length === 0 ? "" : lines(rows)), end: () => (header ? lines([]) : "") };
}
