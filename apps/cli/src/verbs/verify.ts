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

/**
 * Checks the promises of a batch and its retries from the store alone. Exit 7 for the first broken one, 75 where
 * something of it is unfinished.
 */
export async function verify(text: string, flags: RootFlags & JsonFlag & { readonly deep?: boolean }): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let chunks = 0;
  const progress = showProgress(() => `verifying  ${counted(chunks, "chunk")}`);
  let report: VerifyReport;
  try {
    report = await verifyBatch({ store, decodeShard: decoder.decode }, batch, {
      deep: flags.deep === true,
      onProgress: (done) => {
        chunks = done;
      },
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
  const retry = unfinishedRetry(report);
  if (retry !== null) {
    throw new AssayError("E_NOT_FINISHED", "a retry of this batch is not complete; the promises hold so far", {
      where: retry,
      next: commandLine(["status", batch], flags.root),
    });
  }
}

/** The first retry that is not complete. */
function unfinishedRetry({ retries, unstaged }: VerifyReport): string | null {
  return retries.find(({ complete }) => !complete)?.batch ?? unstaged;
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
    `${report.batch}  ${report.complete && unfinishedRetry(report) === null ? "complete, every promise holds" : "the promises hold so far"}`,
    line("rows", `${count(report.doneRows)} of ${count(report.rows)}: ${statusText(report.status)}`),
    line("shards", `${count(report.doneChunks)} of ${count(report.chunks)}`),
    line("engines", report.engineVersions.filter((version) => version !== "").join(", ") || "none yet"),
    ...report.retries.map(({ batch, doneRows, rows, status }) =>
      line("retry", `${batch}  ${count(doneRows)} of ${count(rows)}: ${statusText(status)}`),
    ),
    ...(report.unstaged === null ? [] : [line("retry", `${report.unstaged}  to be staged by the next worker`)]),
    ...(report.simulated ? [line("simulated", "these rewards are not judgements")] : []),
  ];
}
