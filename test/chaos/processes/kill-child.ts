import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** kill -9, and resolves when it is gone; null and what has ended are gone. */
export async function killChild(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
