import type { ResultRow, Status } from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { readFamilyRows } from "./family-rows.ts";
import type { Family } from "./read-family.ts";

/** Rows that failed alike, and the first of them. */
export interface FailureGroup {
  readonly status: Status;
  readonly error_code: string | null;
  readonly rows: number;
  /** the batches, of the family, that these results are of */
  readonly batches: readonly string[];
  readonly example: Pick<
    ResultRow,
    "row_index" | "id" | "input" | "input_line" | "principle" | "error_message" | "batch"
  >;
}

export interface Failures {
  /** rows that have a result */
  readonly rows: number;
  readonly failed: number;
  /** the largest first */
  readonly groups: readonly FailureGroup[];
}

/** What has no reward over a batch and its retries, by status and error code, from the shards alone. */
export async function groupFailures(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  family: Family,
  onProgress: (rows: number) => void = () => {},
): Promise<Failures> {
  const groups = new Map<string, FailureGroup>();
  let seen = 0;
  let failed = 0;
  for await (const { rows } of readFamilyRows(ports, family)) {
    seen += rows.length;
    for (const row of rows) {
      if (row.status === "ok") continue;
      failed += 1;
      const key = `${row.status} ${row.error_code ?? ""}`;
      const group = groups.get(key);
      groups.set(key, group === undefined ? begin(row) : joined(group, row));
    }
    onProgress(seen);
  }
  return { rows: seen, failed, groups: [...groups.values()].sort((a, b) => b.rows - a.rows) };
}

function begin(row: ResultRow): FailureGroup {
  const { status, error_code, row_index, id, input, input_line, principle, error_message, batch } = row;
  const example = { row_index, id, input, input_line, principle, error_message, batch };
  return { status, error_code, rows: 1, batches: [batch], example };
}

function joined(group: FailureGroup, { batch }: ResultRow): FailureGroup {
  const batches = group.batches.includes(batch) ? group.batches : [...group.batches, batch];
  return { ...group, rows: group.rows + 1, batches };
}
