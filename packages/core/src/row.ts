import { z } from "zod";

/**
 * The lines of rows/000123.jsonl.gz (FORMATS, "A line of rows/"): the user's text as given. Stripping and
 * neutralising happen when the request is built, so that the stored question is the user's own.
 */

const messageSchema = z.strictObject({ role: z.string(), content: z.string() });
export type Message = z.infer<typeof messageSchema>;

/** A scalar or any JSON the user brought beside the record's own fields. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** One response with its list of principles; each principle is one row with its own `row_index`. */
export interface ResponseLine {
  readonly row_index: number;
  readonly id: string;
  readonly group: string;
  readonly input: string;
  readonly input_line: number;
  readonly response_index: number;
  /** The conversation before the judged response. */
  readonly messages: readonly Message[];
  readonly response: string;
  readonly principles: readonly {
    readonly row_index: number;
    readonly principle_index: number;
    readonly text: string;
  }[];
  readonly carried: { readonly [key: string]: Json } | null;
}

/** Why a record could not become rows. Part of the stored bytes: a code is never renamed. */
export const badCodes = [
  "invalid_json",
  "not_an_object",
  "line_too_long",
  "lone_surrogate",
  "missing_prompt",
  "missing_response",
  "missing_principle",
  "wrong_type",
  "unknown_role",
  "unsupported_content",
  "empty_conversation",
  "unsafe_integer",
  "invalid_utf8",
  "invalid_csv",
] as const;
export type BadCode = (typeof badCodes)[number];

/** A record that could not be read as rows: it takes one `row_index` and comes out as `bad_input`. */
export interface BadLine {
  readonly row_index: number;
  readonly id: string;
  readonly input: string;
  readonly input_line: number;
  readonly bad: BadCode;
  /** Byte offset of the line's first byte in the decompressed input. */
  readonly at: number;
  /** The field that is missing or wrong, where one can be named. */
  readonly field?: string;
}

export type RowsLine = ResponseLine | BadLine;

export function isBadLine(line: RowsLine): line is BadLine {
  return "bad" in line;
}

/** One judgement to make: a response line narrowed to one of its principles. */
export interface Row {
  readonly rowIndex: number;
  readonly principleIndex: number;
  readonly principle: string;
  readonly line: ResponseLine;
}

/** The rows of a response line, in order. */
export function rowsOf(line: ResponseLine): Row[] {
  return line.principles.map((principle) => ({
    rowIndex: principle.row_index,
    principleIndex: principle.principle_index,
    principle: principle.text,
    line,
  }));
}
