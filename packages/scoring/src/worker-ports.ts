import type { AssayError } from "@assay/core";
import type { DecodeKeys, DecodeShard, EncodeShard } from "@assay/datasets";
import type { EnginePool } from "@assay/engine";
import type { JobQueue } from "@assay/queue";
import type { ObjectStore } from "@assay/store";
import type { ProbeEngines } from "./batch-context.ts";
import type { WayTold } from "./batch-reading.ts";
import type { ChunkOutcome } from "./chunk-ports.ts";
import type { Clock } from "./clock.ts";

export interface WorkerPorts {
  readonly store: ObjectStore;
  /** a directory of this host, of this root alone, where finished rows outlive the process while the store is away */
  readonly disk: ObjectStore | null;
  readonly queue: JobQueue;
  readonly pool: EnginePool;
  readonly probe: ProbeEngines;
  readonly encodeShard: EncodeShard;
  readonly decodeShard: DecodeShard;
  readonly decodeKeys: DecodeKeys;
  readonly clock: Clock;
}

export interface WorkerOptions {
  /** the served name: this worker serves every batch of the root that asks for it */
  readonly model: string;
  /** who writes control entries: host and process id */
  readonly name: string;
  readonly software: string;
  /** serve only this batch; null = every batch of the model */
  readonly only: string | null;
  /** go home when no batch of the root has work for this worker */
  readonly untilIdle: boolean;
  /** nothing new is begun; rows in flight end until the deadline, then what has finished is saved and chunks go back */
  readonly drain: AbortSignal;
  /** so long after `drain` rows still in flight are stopped; null = they are waited for however long they take */
  readonly drainMs: number | null;
  /** everything stops at once: chunks in flight are given back, and what was not saved yet is lost */
  readonly abort: AbortSignal;
  readonly onEvent: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | { type: "chunk"; batch: string; chunk: number; outcome: ChunkOutcome; ms: number }
  | { type: "paused"; batch: string; reason: string }
  | { type: "finished"; batch: string }
  /** how rows are read on an engine from now on, and why */
  | ({ type: "way"; batch: string } & WayTold)
  | { type: "refused"; batch: string; error: AssayError }
  /** finished rows of a chunk are on `disk`, since the store does not take them */
  | { type: "spooled"; batch: string; chunk: number; rows: number }
  /** checkpoints that an earlier process left on `disk` are in the store */
  | { type: "unspooled"; checkpoints: number }
  | { type: "away"; what: "store" | "redis" | "engine"; error: AssayError };

/** What the parts of one worker have in common. */
export interface Worker {
  readonly ports: WorkerPorts;
  readonly options: WorkerOptions;
  /** no chunk is taken any more */
  readonly intake: AbortSignal;
  /** chunks in flight are given up, and go back */
  readonly giveBack: AbortSignal;
  /** Ends the worker with this error, once its chunks have ended; the first one counts. */
  fail(error: AssayError): void;
}
