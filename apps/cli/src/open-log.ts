import { hostname } from "node:os";
import type { AssayError } from "@assay/core";
import { type Logger, pino } from "pino";
import { write } from "./say.ts";
import { version } from "./version.ts";

/** JSON lines on stderr, as `worker --json` writes them. */
export function openLog(): Logger {
  return pino({ base: { host: hostname(), pid: process.pid, version } }, { write: (line) => write("stderr", line) });
}

/** The last line: what ended the process. `stack` is for those who look for the fault in Assay. */
export function logEnd(
  log: Logger,
  { code, exit, message, where, expected, got, next }: AssayError,
  stack?: string,
): void {
  log.fatal({ code, exit, where, expected, got, next, stack }, message);
}
