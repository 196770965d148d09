import { isAssayError, renderError, toAssayError } from "@assay/core";
import { lastWordsMs, mayLoseOutput, wasToldToStop } from "./on-signals.ts";
import { program } from "./program.ts";
import { write } from "./say.ts";

/**
 * The `assay` command. Results go to stdout, all else to stderr; the exit code tells scripts what happened.
 * A closed pipe (`assay ls | head`) is the reader's good right and ends quietly; long work goes on without a reader.
 */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (mayLoseOutput()) return;
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
// the terminal is gone: there is nobody to tell
process.stderr.on("error", () => {});

try {
  await program(process.argv);
} catch (error) {
  const known = toAssayError(error);
  const stack = isAssayError(error) || process.env.ASSAY_DEBUG === undefined ? undefined : (error as Error)?.stack;
  // what is wrong with the flags, too, must not break a log of JSON lines
  if (process.argv[2] === "worker" && process.argv.includes("--json")) {
    const { logEnd, openLog } = await import("./open-log.ts");
    logEnd(openLog(), known, stack);
  } else {
    write("stderr", `${renderError(known)}\n${stack === undefined ? "" : `${stack}\n`}`);
  }
  process.exitCode = known.exit;
}
// a call on a store that says nothing keeps the process alive for minutes, and nobody hears its answer any more
if (wasToldToStop()) setTimeout(() => process.exit(), lastWordsMs).unref();
