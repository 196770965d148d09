import type { S3LogEntry } from "@assay/testkit";
import type { Ask } from "./engine-gate.ts";
import type { Rewards } from "./undisturbed.ts";
import type { Life } from "./worker-crew.ts";

/** A batch of the run, or a retry of one. */
export interface BatchFacts {
  /** its rows as the gates call them, by `row_index` */
  readonly names: ReadonlyMap<number, string>;
  /** false for one that was cancelled: of it what was committed counts */
  readonly isWhole: boolean;
}

/** What a run promised to keep: the input, and who died when. */
export interface RunFacts {
  readonly batches: ReadonlyMap<string, BatchFacts>;
  /** objects of the root by key below it */
  readonly objects: ReadonlyMap<string, { readonly bytes: Uint8Array }>;
  /** the store's log, keys below the root */
  readonly log: readonly S3LogEntry[];
  readonly asks: readonly Ask[];
  readonly lives: readonly Life[];
  /** when the store was unwell: a checkpoint that it did not take cannot be counted on */
  readonly storeFaults: readonly { readonly atMs: number; readonly untilMs: number }[];
  /** when engines of these URLs died or hung by the plan */
  readonly engineEnds: readonly { readonly engine: string; readonly atMs: number; readonly untilMs: number }[];
  /** what the same inputs give on an engine that nothing happens to */
  readonly expected: Rewards;
}
