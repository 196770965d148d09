import { buildRequest, makeResultRow, makeReusedRow, type PromptPrefix, type ResultRow, type Row } from "@assay/core";
import { askRow, type RowPorts } from "./ask-row.ts";
import type { BatchContext } from "./batch-context.ts";
import { unaskedOutcome } from "./row-outcome.ts";

/**
 * Scores one row: build, ask, result; what an earlier batch knows is not asked. A row that fails is a result, too. Rejects with E_ABORTED or E_ENGINES_FENCED
 * only.
 */
export async function scoreRow(
  ports: RowPorts,
  context: BatchContext,
  row: Row,
  prefix?: PromptPrefix,
): Promise<ResultRow> {
  const { file } = context;
  const built = buildRequest(row, { ...file, profile: context.profile }, context.way);
  if (built.kind === "unasked") return makeResultRow(file, row, unaskedOutcome(built), ports.clock.now());
  const known = (await context.reuse?.find(built.rowKey)) ?? null;
  if (known !== null) return makeReusedRow(file, row, built.rowKey, known);
  const outcome = await askRow(ports, context, built, prefix);
  return noted(ports, context, makeResultRow(file, row, outcome, ports.clock.now()), outcome.engine);
}

/** The failure budget, unless a person said that the batch's failures are to be kept. */
function noted(ports: RowPorts, context: BatchContext, row: ResultRow, origin: string): ResultRow {
  if (context.control.accept_failures) return row;
  const reason = context.watch.note(origin, row);
  if (reason !== null) ports.pool.fence(context.file.batch, origin, reason);
  return row;
}
