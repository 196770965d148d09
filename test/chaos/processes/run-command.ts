import { type ChildProcess, spawn } from "node:child_process";
import { command } from "./worker-crew.ts";

export interface Ran {
  /** null = ended by a signal */
  readonly code: number | null;
  readonly stdout: string;
  /** the last lines of stderr, on one line */
  readonly text: string;
}

/** `assay ...` with this environment, to its end. */
export async function runCommand(
  args: readonly string[],
  env: { readonly [name: string]: string },
  onStart: (child: ChildProcess) => void = () => {},
): Promise<Ran> {
  const child = spawn(process.execPath, [command, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  onStart(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    stdout += piece;
  });
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    stderr += piece;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, text: stderr.trim().split("\n").slice(-4).join(" | ") };
}

/** Denied, something away, not finished: what a person or a scheduler types again. */
const again: readonly (number | null)[] = [5, 6, 75, null];

/** The same command until it ends for good; `again` says so where it is not 0. */
export async function runUntilOver(
  args: readonly string[],
  env: { readonly [name: string]: string },
  onStart: (child: ChildProcess) => void = () => {},
): Promise<Ran> {
  for (;;) {
    const ran = await runCommand(args, env, onStart);
    if (!again.includes(ran.code)) return ran;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
