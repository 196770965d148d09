/** What commander hands to the verbs: the flags of program.ts under their names in camel case. */

import type { Cloud } from "./watch-spot-notice.ts";

export interface RootFlags {
  readonly root?: string;
}

export interface RedisFlags {
  readonly redis?: string;
}

export interface EngineFlags {
  readonly engine: readonly string[];
  readonly engineKeyFile?: string;
  /** rows in flight per engine; left out, each engine's own state decides */
  readonly inFlight?: number;
  /** shell command for an engine that writes no more tokens */
  readonly onEngineHung?: string;
}

export interface DrainFlags {
  /** rows in flight may go on so long after the first signal */
  readonly drainSeconds: number;
  /** whose notice that a spot machine is taken away counts as a first signal */
  readonly spot?: Cloud;
}

export interface PlanFlags {
  readonly profile?: string;
  readonly model?: string;
  readonly principle: readonly string[];
  /** file that gives records their principles by domain */
  readonly recipe?: string;
  readonly set: readonly string[];
  /** way of reading that is insisted on */
  readonly read?: string;
  readonly map: readonly string[];
  readonly carry: readonly string[];
  readonly carryAll?: boolean;
  readonly format?: string;
  readonly limit?: number;
  readonly sample?: number;
  readonly name?: string;
  readonly tag: readonly string[];
  /** left out: off for labelled data sets, else auto */
  readonly stripReasoning?: string;
  readonly specials: string;
  /** answers to each row, which become one reward by the profile's `combine` */
  readonly samples?: number;
  readonly seed?: number;
  /** batches of the root; full names once the root was asked */
  readonly reuse: readonly string[];
  readonly maxBad: number;
  readonly maxFailed: number;
  readonly keepReasoning: string;
  readonly order?: string;
}

export interface JsonFlag {
  readonly json?: boolean;
}
