import { AssayError } from "@assay/core";
import { appendControl, findBatch, loadBatch, withdrawBatch } from "@assay/scoring";
import { author } from "../author.ts";
import { commandLine } from "../command-line.ts";
import type { RedisFlags, RootFlags } from "../flags.ts";
import { openStore } from "../open-store.ts";
import { note } from "../say.ts";
import { tellWorkers } from "../tell-workers.ts";

/** Holds a batch: chunks that run are given up, what is committed stays, `resume` lets it go on. */
export async function pause(text: string, flags: RootFlags & RedisFlags & { readonly reason?: string }): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const file = await loadBatch(store, batch);
  const change = { state: "paused" as const, ...(flags.reason === undefined ? {} : { reason: flags.reason }) };
  const { appended, control } = await appendControl(store, batch, change, author());
  if (control.state === "complete") {
    throw new AssayError("E_BATCH_COMPLETE", "this batch is complete; there is nothing left to hold", {
      where: batch,
      next: commandLine(["status", batch], flags.root),
    });
  }
  if (control.state === "cancelled") {
    throw new AssayError("E_BATCH_CANCELLED", "this batch was cancelled; it does not run", {
      where: batch,
      got: `cancelled by ${control.last?.by} at ${control.last?.at}`,
      next: commandLine(["resume", batch], flags.root),
    });
  }
  const resume = commandLine(["resume", batch], flags.root);
  if (appended) note(`${batch} is paused; what is committed stays. To go on: ${resume}`);
  else note(`${batch} was paused already, by ${control.last?.by} at ${control.last?.at}. To go on: ${resume}`);
  await tellWorkers(store, file, flags, (queue) => withdrawBatch(store, queue, file));
}
