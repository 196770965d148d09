import {
  buildRequest,
  combineOutcomes,
  defaultCombine,
  makeResultRow,
  makeReusedRow,
  type PromptPrefix,
  type ResultRow,
  type Row,
} from "@assay/core";
import type { RowPorts } from "./ask-row.ts";
import { askSamples } from "./ask-samples.ts";
import type { BatchContext } from "./batch-context.ts";
import { unaskedOutcome } from "./row-outcome.ts";
import { waitForStore } from "./wait-for-store.ts";

/**
 * Scores one row: build, ask once or as many times as the batch has samples, result. What an earlier batch knows is not
 * asked; a store that is away is waited for. A row that fails is a result, too. Rejects with E_ABORTED or E_ENGINES_FENCED only; a row one of whose samples
 * is not done then is not done.
 */
export async function scoreRow(
  ports: RowPorts,
  context: BatchContext,
  row: Row,
  prefix?: PromptPrefix,
): Promise<ResultRow> {
  const { file } = context;
  const built = buildRequest(row, { ...file, profile: context.profile }, context.reading.first, context.server);
  if (built.kind === "unasked") return makeResultRow(file, row, unaskedOutcome(built), ports.clock.now());
  const { reuse } = context;
  const known = reuse === null ? null : await waitForStore(() => reuse.find(built.rowKey), ports);
  if (known !== null) return makeReusedRow(file, row, built.rowKey, known);
  const outcomes = await askSamples(ports, context, row.rowIndex, built, prefix);
  for (const { engine, status, errorMessage } of outcomes) {
    note(ports, context, engine, { status, row_index: row.rowIndex, error_message: errorMessage });
  }
  const [only] = outcomes;
  if (file.samples === 1 && only !== undefined) return makeResultRow(file, row, only, ports.clock.now());
  const { outcome, samples } = combineOutcomes(outcomes, file.profile.combine ?? defaultCombine);
  return makeResultRow(file, row, outcome, ports.clock.now(), samples);
}

/** The failure budget, unless a person said that the batch's failures are to be kept. Every answer counts as a row. */
function note(
  ports: RowPorts,
  context: BatchContext,
  origin: string,
  answer: Pick<ResultRow, "status" | "row_index" | "error_message">,
): void {
  if (context.control.accept_failures) return;
  // condemned already: what still ends there is none of the process that may take its place
  if (ports.pool.isFenced(context.file.batch, origin)) {
    context.watch.forget(origin);
    return;
  }
  const reason = context.watch.note(origin, answer);
  if (reason === null) return;
  ports.pool.fence(context.file.batch, origin, reason);
  context.watch.forget(origin);
}
