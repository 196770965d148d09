import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, readFileSync } from "node:fs";
import { commandLine } from "./command-line.ts";
import { makeOutputFolder, openOutputFile, outputFile } from "./output-file.ts";
import { note, write } from "./say.ts";

/** Tells a process that its parent waits for its first words. */
const detachedVariable = "ASSAY_DETACHED";

/**
 * Runs this same command again without `--detach` in a session of its own, its output in a file. Returns once it works:
 * until then its words are shown here, and when it ends before, its exit code is this process's. Ctrl-C meanwhile
 * stops it.
 */
export async function detach(verb: string, root: string | undefined): Promise<void> {
  const path = outputFile(verb);
  await makeOutputFolder();
  const fd = openOutputFile(path);
  const args = process.argv.slice(1).filter((arg) => arg !== "--detach");
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ["inherit", fd, fd, "ipc"],
    env: { ...process.env, [detachedVariable]: "1" },
  });
  closeSync(fd);
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  const end = await Promise.race([
    once(child, "message").then(() => "works" as const),
    once(child, "exit").then(([code]) => code as number | null),
  ]);
  process.off("SIGINT", forward).off("SIGTERM", forward);
  write("stderr", readFileSync(path, "utf8"));
  if (end === "works") {
    note(`goes on without this terminal, output in ${path}`);
    note(`  next: ${commandLine(["status", "latest", "--watch"], root)}; kill -INT ${child.pid} is its Ctrl-C`);
  } else {
    process.exitCode = end ?? 1;
  }
  if (child.connected) child.disconnect();
  child.unref();
}

/** The work has begun: whoever detached it may go. */
export function tellDetacher(): void {
  if (process.env[detachedVariable] === undefined || !process.connected) return;
  process.send?.("works");
  process.disconnect();
}
