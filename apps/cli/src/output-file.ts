import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { isatty } from "node:tty";
import { AssayError } from "@assay/core";
import { makeFolders } from "@assay/store/local";
import { note, sayInto } from "./say.ts";
import { stateFolder } from "./user-folders.ts";

/**
 * The file into which a verb's output goes when its terminal is gone, or from the start with --detach. Below
 * XDG_STATE_HOME; named after verb, time and process, so that none is ever continued by another.
 */
export function outputFile(verb: string): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  return join(stateFolder(), `${verb}-${time}Z-${process.pid}.log`);
}

/** The folder of output files. Throws E_USAGE where there is no place for it. */
export async function makeOutputFolder(): Promise<void> {
  await makeFolders(stateFolder(), 0o700).catch((cause: unknown) => {
    throw new AssayError("E_USAGE", "the folder of output files cannot be made", {
      where: stateFolder(),
      got: String((cause as NodeJS.ErrnoException).code),
      next: "XDG_STATE_HOME names another",
      cause,
    });
  });
}

/** Opens it for writing at its end; its folder is there. */
export function openOutputFile(path: string): number {
  return openSync(path, "a", 0o600);
}

/**
 * On a terminal: says where output goes on when it closes, and returns what to do then. Elsewhere the output is a file
 * or somebody's pipe already, and stays there.
 */
export function prepareHangUp(verb: string): () => void {
  if (process.stderr.isTTY !== true) return () => {};
  const path = outputFile(verb);
  // asked of a terminal that is gone, none is one
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  // at the hang-up nothing may come between closing the terminal and opening the file
  makeOutputFolder().catch(() => {});
  note(`if this terminal closes, the work goes on and its output in ${path}`);
  return () => {
    try {
      moveOutput(terminals.splice(0), path);
    } catch {
      // without a place for words the work goes on all the same
    }
  };
}

/**
 * Puts the file in the place of descriptors 0 to 2 that were the terminal: the system gives the lowest number that is
 * free. Left open, Node would fail to restore the terminal at its end and end as if it had crashed; and what a hook
 * writes arrives, too.
 */
function moveOutput(terminals: readonly number[], path: string): void {
  for (const fd of terminals) closeSync(fd);
  for (const fd of terminals) {
    const opened = fd === 0 ? openSync(devNull, "r") : openOutputFile(path);
    if (fd !== 0) sayInto(fd === 1 ? "stdout" : "stderr", opened);
  }
}
