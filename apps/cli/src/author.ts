import { hostname, userInfo } from "node:os";
import { systemClock } from "./system-clock.ts";

/** Who signs an entry of a control log. */
export function author(): { id: string; at: string; by: string } {
  return { id: systemClock.random(), at: new Date(systemClock.now()).toISOString(), by: `${userName()}@${hostname()}` };
}

/** Who signs what a worker does, and who holds its leases. */
export function workerName(): string {
  return `${hostname()}:${process.pid}`;
}

/** Whether a person signed this: no worker's name has an @. */
export function isPersons(by: string): boolean {
  return by.includes("@");
}

/** Containers run under numbers that have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env.USER ?? `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
