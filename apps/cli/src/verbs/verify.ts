import { AssayError } from "@assay/core";
import { openDecoder } from "@assay/datasets";
import { findBatch, type VerifyReport, verifyBatch } from "@assay/scoring";
import { commandLine } from "../command-line.ts";
import type { JsonFlag, RootFlags } from "../flags.ts";
import { openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { showProgress } from "../progress.ts";
import { count, counted, result, resultJson } from "../say.ts";
import { statusText } from "../show-summary.ts";

/** Checks the promises of a batch from the store alone. Exit 7 for the first broken one, 75 for an unfinished batch. */
export async function verify(text: string, flags: RootFlags & JsonFlag): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let chunks = 0;
  const progress = showProgress(() => `verifying  ${counted(chunks, "chunk")}`);
  let report: VerifyReport;
  try {
    report = await verifyBatch({ store, decodeShard: decoder.decode }, batch, (done) => {
      chunks = done;
    });
  } finally {
    progress.stop();
    await decoder.close();
  }
  if (flags.json === true) resultJson(report);
  if (report.broken !== null) throw brokenPromise(report.broken);
  if (flags.json !== true) for (const line of lines(report)) result(line);
  if (!report.complete) {
    throw new AssayError("E_NOT_FINISHED", "this batch is not complete; its promises hold so far", {
      where: batch,
      expected: counted(report.chunks, "chunk"),
      got: count(report.doneChunks),
      next: commandLine(["status", batch], flags.root),
    });
  }
}

function brokenPromise({ promise, what, where, expected, got }: NonNullable<VerifyReport["broken"]>): AssayError {
  return new AssayError("E_BROKEN", `promise ${promise} is broken: ${what}`, {
    where,
    ...(expected === undefined ? {} : { expected }),
    ...(got === undefined ? {} : { got }),
    next: "restore this object from a backup or its earlier version; Assay itself never changes it",
  });
}

function lines(report: VerifyReport): string[] {
  const line = (name: string, text: string): string => `  ${name.padEnd(10)}${text}`;
  return [
    `${report.batch}  ${report.complete ? "complete, every promise holds" : "the promises hold so far"}`,
    line("rows", `${count(report.doneRows)} of ${count(report.rows)}: ${statusText(report.status)}`),
    line("shards", `${count(report.doneChunks)} of ${count(report.chunks)}`),
    line("engines", report.engineVersions.filter((version) => version !== "").join(", ") || "none yet"),
    ...(report.simulated ? [line("simulated", "these rewards are not judgements")] : []),
  ];
}
