import { spawn } from "node:child_process";
import { note } from "./say.ts";

/** A hook that restarts an engine takes minutes: more often than this it would only get in its own way. */
const mostAnHour = 2;
const hourMs = 3_600_000;

export type EngineHook = (origin: string, reason: string) => void;

/**
 * What `--on-engine-hung` runs when an engine writes no more tokens: a shell command with the URL and the reason in
 * ASSAY_ENGINE and ASSAY_REASON, at most twice an hour and engine. Nobody waits for it, and its failure is only said:
 * the engine is taken back when it answers again, whoever mended it.
 */
export function engineHook(command: string, now: () => number = Date.now): EngineHook {
  const runs = new Map<string, number[]>();
  return (origin, reason) => {
    const recent = (runs.get(origin) ?? []).filter((at) => now() - at < hourMs);
    if (recent.length >= mostAnHour) {
      note(`${origin} hangs again; --on-engine-hung ran ${mostAnHour} times within the hour and is not run`);
      return;
    }
    runs.set(origin, [...recent, now()]);
    note(`${origin} hangs (${reason}): running --on-engine-hung`);
    const child = spawn(command, {
      shell: true,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ASSAY_ENGINE: origin, ASSAY_REASON: reason },
    });
    child.once("error", (error) => note(`--on-engine-hung could not be run: ${error.message}`));
    child.once("exit", (code) => {
      if (code !== 0) note(`--on-engine-hung ended with exit ${code}`);
    });
    child.unref();
  };
}
