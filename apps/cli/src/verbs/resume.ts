import { AssayError } from "@assay/core";
import { appendControl, findBatch, loadBatch, reconcileBatch, reweighBatch } from "@assay/scoring";
import { author } from "../author.ts";
import { commandLine } from "../command-line.ts";
import type { RedisFlags, RootFlags } from "../flags.ts";
import { openStore } from "../open-store.ts";
import { counted, note } from "../say.ts";
import { tellWorkers } from "../tell-workers.ts";

type ResumeFlags = RootFlags & RedisFlags & { readonly acceptFailures?: boolean; readonly weight?: number };

/**
 * Lets a paused or cancelled batch go on; with --accept-failures chunks that failed as a whole are committed as they
 * are; with --weight, also of a running batch, its share of the queue changes, of the jobs that wait as well.
 */
export async function resume(text: string, flags: ResumeFlags): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const file = await loadBatch(store, batch);
  const change = {
    state: "running" as const,
    ...(flags.acceptFailures === true ? { accept_failures: true } : {}),
    ...(flags.weight === undefined ? {} : { weight: flags.weight }),
  };
  const { appended, control } = await appendControl(store, batch, change, author());
  if (control.state === "complete") {
    throw new AssayError("E_BATCH_COMPLETE", "this batch is complete; there is nothing left to do", {
      where: batch,
      next: commandLine(["status", batch], flags.root),
    });
  }
  const weight = control.weight === 1 ? "" : `, with weight ${control.weight}`;
  note(appended ? `${batch} may go on${weight}` : `${batch} is running already${weight}`);
  let told = false;
  await tellWorkers(store, file, flags, async (queue) => {
    if (flags.weight !== undefined) await reweighBatch(store, queue, file, control.n);
    const missing = await reconcileBatch(store, queue, file);
    await queue.nudge(batch);
    note(`${counted(missing, "chunk")} to do`);
    told = true;
  });
  if (!told) note("a worker of this root, or the same score again, picks it up");
}
