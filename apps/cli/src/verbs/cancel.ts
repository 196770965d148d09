import { AssayError } from "@assay/core";
import { appendControl, findBatch, loadBatch, withdrawBatch } from "@assay/scoring";
import { author } from "../author.ts";
import { commandLine } from "../command-line.ts";
import type { RedisFlags, RootFlags } from "../flags.ts";
import { openStore } from "../open-store.ts";
import { note } from "../say.ts";
import { tellWorkers } from "../tell-workers.ts";

/** Stops a batch. Its shards stay, and `resume` revives it. */
export async function cancel(text: string, flags: RootFlags & RedisFlags): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const file = await loadBatch(store, batch);
  const { appended, control } = await appendControl(store, batch, { state: "cancelled" }, author());
  if (control.state === "complete") {
    throw new AssayError("E_BATCH_COMPLETE", "this batch is complete; there is nothing left to stop", {
      where: batch,
      next: commandLine(["status", batch], flags.root),
    });
  }
  if (!appended) note(`${batch} was cancelled already, by ${control.last?.by} at ${control.last?.at}`);
  else note(`${batch} is cancelled; what is committed stays. To go on: ${commandLine(["resume", batch], flags.root)}`);
  await tellWorkers(store, file, flags, (queue) => withdrawBatch(store, queue, file));
}
