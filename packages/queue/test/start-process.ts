import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ProcessOptions } from "./process-of-its-own.ts";

export interface StartedProcess {
  readonly child: ChildProcess;
  /** the next line that it prints */
  line(): Promise<string>;
  /** resolves when it has ended: its exit code and signal */
  readonly ended: Promise<[code: number | null, signal: string | null]>;
}

export function startProcess(options: ProcessOptions): StartedProcess {
  const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const flags = [
    "--conditions=@assay/source",
    "--import",
    here("../../testkit/typescript.mjs"),
    here("process-of-its-own.ts"),
  ];
  const child = spawn(process.execPath, [...flags, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    line: async () => (await lines.next()).value ?? "",
    ended: once(child, "exit") as Promise<[number | null, string | null]>,
  };
}
