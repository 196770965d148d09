import { findBatch } from "@assay/scoring";
import type { RootFlags } from "../flags.ts";
import { onSignals } from "../on-signals.ts";
import { openStore } from "../open-store.ts";
import { refuseFailedRows } from "../refuse-failed-rows.ts";
import { showSummary } from "../show-summary.ts";
import { watchBatch } from "../watch-batch.ts";

/** Waits until a batch is complete, whoever works on it. */
export async function wait(text: string, flags: RootFlags & { readonly timeout?: number }): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const signals = onSignals("no longer waiting; the batch goes on");
  try {
    const complete = await watchBatch(store, batch, {
      timeoutMs: flags.timeout === undefined ? null : flags.timeout * 1_000,
      root: flags.root,
      signal: signals.drain,
    });
    showSummary(complete);
    await refuseFailedRows(complete, complete.file.max_failed, flags.root);
  } finally {
    signals.close();
  }
}
