import { chooseModel } from "../choose-profile.ts";
import { commandLine } from "../command-line.ts";
import type { PlanFlags, RedisFlags, RootFlags } from "../flags.ts";
import { onSignals } from "../on-signals.ts";
import { openInputs } from "../open-inputs.ts";
import { openStore } from "../open-store.ts";
import { noteOddities, noteScoredInputs, planInputs } from "../plan-inputs.ts";
import { queueBatch } from "../queue-batch.ts";
import { type BatchState, readState } from "../read-state.ts";
import { refuseFailedRows } from "../refuse-failed-rows.ts";
import { count, counted, note, result } from "../say.ts";
import { refuseCancelled, stagePlan } from "../stage-plan.ts";
import { watchBatch } from "../watch-batch.ts";

type SubmitFlags = RootFlags & RedisFlags & PlanFlags & { readonly wait?: boolean };

/** Stages a batch and queues what is missing of it; prints the batch's name on stdout and nothing else. */
export async function submit(inputs: readonly string[], flags: SubmitFlags): Promise<void> {
  const chosen = await chooseModel(flags, null);
  const store = await openStore(flags.root);
  const signals = onSignals("stopping; the same command again carries on");
  const sources = await openInputs(inputs, { signal: signals.drain });
  try {
    const planned = await planInputs(store, sources, flags, chosen, signals.drain);
    noteOddities(planned);
    const { file, result: staged, rootId } = await stagePlan(store, planned, sources, signals.drain);
    await refuseCancelled(store, file.batch, flags.root);
    const before = await readState(store, file.batch, file);
    noteStaged(before, staged, flags.root);
    if (staged === "created") await noteScoredInputs(store, file);
    result(file.batch);
    if (before.state === "running" || before.state === "finishing")
      await queueBatch(store, file, rootId, flags, "the next score or worker on this root picks it up");
    if (flags.wait !== true) return;
    const complete = await watchBatch(store, file.batch, { timeoutMs: null, root: flags.root, signal: signals.drain });
    await refuseFailedRows(complete, flags.maxFailed, flags.root);
    note(`${file.batch} is complete`);
  } finally {
    await sources.close();
    signals.close();
  }
}

function noteStaged(
  { file, state, doneRows, control }: BatchState,
  staged: "created" | "exists",
  root: string | undefined,
): void {
  const { counts, chunks } = file;
  const size = `${counted(counts.records, "record")}, ${counted(counts.rows, "row")} in ${counted(chunks.length, "chunk")}`;
  if (staged === "created") note(`staged: ${size}`);
  else if (state === "complete") note("complete already; nothing is asked again");
  else note(`exists: ${count(doneRows)} of ${counted(counts.rows, "row")} are done`);
  if (state === "paused") {
    note(`paused${control.last?.reason == null ? "" : `: ${control.last.reason}`}`);
    note(`  next: ${commandLine(["resume", file.batch], root)}`);
  }
}
