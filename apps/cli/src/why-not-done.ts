import { AssayError } from "@assay/core";
import { isPersons } from "./author.ts";
import { commandLine } from "./command-line.ts";
import { printable } from "./histogram.ts";
import type { BatchState } from "./read-state.ts";
import { count } from "./say.ts";

/** Why a batch that was worked on is not complete, and what to type next. */
export function whyNotDone(seen: BatchState, root: string | undefined): AssayError {
  const { batch, counts } = seen.file;
  const { last } = seen.control;
  const author = `by ${last?.by ?? "somebody"} at ${last?.at ?? "an unknown time"}`;
  if (seen.state === "cancelled") {
    return new AssayError("E_BATCH_CANCELLED", "this batch was cancelled", {
      where: batch,
      got: `cancelled ${author}`,
      next: commandLine(["resume", batch], root),
    });
  }
  if (seen.state === "paused" && last?.reason != null && !isPersons(last.by)) {
    return new AssayError("E_ROWS_FAILED", "this batch is paused, since its rows fail and the rest would, too", {
      where: batch,
      got: printable(last.reason, 1_000),
      next: `mend the cause, then: ${commandLine(["resume", batch], root)} (--accept-failures keeps such rows as they are)`,
    });
  }
  if (seen.state === "paused") {
    return new AssayError("E_NOT_FINISHED", "this batch is paused", {
      where: batch,
      got: `paused ${author}${last?.reason == null ? "" : `: ${printable(last.reason, 1_000)}`}`,
      next: commandLine(["resume", batch], root),
    });
  }
  return new AssayError("E_NOT_FINISHED", "stopped before the batch was complete; what is committed stays", {
    where: batch,
    expected: `${count(counts.rows)} rows`,
    got: `${count(seen.doneRows)} done`,
    next: "the same command again carries on",
  });
}
