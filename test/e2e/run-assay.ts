import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The command as it ships: built, in a process of its own. */
export const main = fileURLToPath(new URL("../../apps/cli/dist/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** No variable of the machine but those that a process needs: a user's ASSAY_ROOT or REDIS_URL must not decide a test. */
const env = Object.fromEntries(
  ["PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "LANG"].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  ),
);

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly input?: string;
  /** the command of another build */
  readonly main?: string;
}

export function startAssay(args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [options.main ?? main, ...args], {
    env: { ...env, ...options.env },
    stdio: "pipe",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.end(options.input ?? "");
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ended };
}

export function runAssay(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return startAssay(args, options).ended;
}

/** Runs and expects an exit code; what was printed is in the message when it is another. */
export async function expectExit(code: number, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const ended = await runAssay(args, options);
  if (ended.code !== code) {
    throw new Error(`assay ${args.join(" ")}: exit ${ended.code}, expected ${code}\n${ended.stdout}\n${ended.stderr}`);
  }
  return ended;
}

/** Looks until the condition holds; the test's own time limit is the only other way out. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
