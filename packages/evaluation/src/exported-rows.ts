import { AssayError, parentOfRetry, statuses } from "@assay/core";
import { z } from "zod";
import type { ScoreRecord } from "./items-of-scores.ts";
import type { ScoredRow } from "./scored-record.ts";

const count = z.int().min(0);
const rowSchema = z.object({
  row_index: count,
  id: z.string(),
  input: z.string(),
  input_line: count,
  response_index: count.nullable(),
  principle_index: count.nullable(),
  principle: z.string().nullable(),
  status: z.enum(statuses),
  reward: z.number().nullable(),
  batch: z.string().default("export"),
});
const cellSchema = z.union([z.string(), z.number(), z.boolean(), z.null()]);

/**
 * The lines of `assay export FILE.jsonl` as result rows again; null where the records are none. Throws E_INPUT_BAD for a
 * line that somebody changed into what no export holds.
 */
export function exportedRows(records: readonly ScoreRecord[]): ScoredRow[] | null {
  return records.every(({ value }) => isExported(value)) ? records.map(exportedRow) : null;
}

function isExported(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    ["row_index", "status", "input_line"].every((name) => Object.hasOwn(value, name))
  );
}

function exportedRow({ where, value }: ScoreRecord): ScoredRow {
  const parsed = rowSchema.safeParse(value);
  if (!parsed.success) throw changed(where, parsed.error.issues[0]);
  const columns: [string, z.infer<typeof cellSchema>][] = [];
  for (const [name, cell] of Object.entries(value as object)) {
    if (!name.startsWith("in_")) continue;
    const read = cellSchema.safeParse(cell);
    if (!read.success) throw changed(where, { path: [name], message: "a text, a number, true, false or null" });
    columns.push([name, read.data]);
  }
  const { status } = parsed.data;
  // what `--missing` put in the place of no reward is no judgement
  const reward = status === "ok" ? parsed.data.reward : null;
  // a retry's rows keep their record's place; a file may hold the lines of several exports
  const batch = parentOfRetry(parsed.data.batch)?.batch ?? parsed.data.batch;
  return { ...parsed.data, batch, reward, columns: Object.fromEntries(columns) };
}

function changed(
  where: string,
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): AssayError {
  return new AssayError("E_INPUT_BAD", "this line is no row of an export", {
    where,
    expected: `${issue?.path.join(".") || "the record"}: ${issue?.message ?? "another shape"}`,
    next: "export the batch again, or evaluate the batch itself",
  });
}
