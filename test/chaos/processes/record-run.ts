import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Findings } from "./check-run.ts";

/** The counts of one run, as they are published. */
export type ChaosRun = {
  readonly seed: number;
  readonly minutes: number;
  readonly store: string;
  readonly at: string;
  readonly redis: string;
  readonly node: string;
  readonly faults: { readonly [name: string]: number };
  /** what this machine could not do, and why */
  readonly notInjected: { readonly [name: string]: string };
  readonly held: boolean;
  /** of a run that broke a promise: what it was and what became of it, written by hand */
  readonly note?: string;
} & Partial<Omit<Findings, "broken">>;

const file = fileURLToPath(new URL("../last-run.json", import.meta.url));

/** The runs that docs/reference/faults.md counts. */
export function readRuns(): ChaosRun[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ChaosRun[]) : [];
}

/** Adds a run; one of the same seed over the same store takes the place of the earlier one. */
export function recordRun(run: ChaosRun): void {
  const runs = [...readRuns().filter(({ seed, store }) => seed !== run.seed || store !== run.store), run];
  writeFileSync(file, `${JSON.stringify(runs, null, 2)}\n`);
}
