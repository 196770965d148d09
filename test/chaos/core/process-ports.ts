import { batchOfOpenKey, controlEntrySchema, controlPrefix, openPrefix, parentOfRetry } from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { Job } from "@assay/queue";
import { type Clock, stageBatch } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { memoryStore } from "@assay/testkit";
import type { Faulty } from "./befall.ts";
import type { CommandPorts } from "./commands.ts";
import type { Diary } from "./diary.ts";
import type { FairShares } from "./fair-shares.ts";
import type { Planted } from "./planted-bugs.ts";
import { processStore, type StoreOperation } from "./process-store.ts";
import type { RedisModel } from "./redis-model.ts";
import type { VirtualProcess, VirtualWorld } from "./virtual-world.ts";

export interface ProcessPorts {
  /** Of a new process; `own`: the one batch that it is about, with its retries. Null = it may touch all. */
  of(process: VirtualProcess, own: string | null): CommandPorts;
  /** The disk of a host: nothing befalls it, and a process may die at it. */
  disk(host: string, process: VirtualProcess): ObjectStore;
  /** A process has changed the jobs of a batch. */
  changedJobs(process: VirtualProcess, jobs: readonly Job[]): void;
}

/** What all processes of a night share, as each of them sees it. */
export function processPorts(
  shared: {
    readonly world: VirtualWorld;
    readonly faults: Faulty;
    readonly objects: ObjectStore;
    readonly redis: RedisModel;
    readonly decodeShard: DecodeShard;
    readonly diary: Diary;
    readonly shares: FairShares;
    readonly planted: Planted | undefined;
    /** the world's clock, when virtual time began */
    readonly startMs: number;
  },
  tell: {
    readonly done: (process: VirtualProcess, operation: StoreOperation, result: unknown) => void;
    readonly blame: (line: string) => void;
    readonly kill: (process: VirtualProcess) => void;
  },
): ProcessPorts {
  const { world, faults, redis, diary, shares, planted } = shared;
  const owns = new Map<VirtualProcess, string>();
  /** one disk a host, which outlives its processes */
  const disks = new Map<string, ReturnType<typeof memoryStore>>();

  /** A command about one batch leaves the others alone. */
  function touched(process: VirtualProcess, does: string, batch: string, what: string): void {
    const own = owns.get(process);
    if (own !== undefined && headOf(batch) !== own)
      tell.blame(`P4: ${process.name} is about ${own}, and ${does} ${what}`);
  }

  function learnt(process: VirtualProcess, operation: StoreOperation, result: unknown): void {
    diary.learnt(operation);
    const batch = operation.key.split("/")[0] ?? "";
    if (!operation.key.startsWith(controlPrefix(batch))) return;
    if (operation.kind === "list" && Array.isArray(result) && result.length === 0) shares.told(process, batch, 1);
    if (operation.kind === "get" && result instanceof Uint8Array)
      shares.told(process, batch, controlEntrySchema.parse(JSON.parse(new TextDecoder().decode(result))).weight);
  }

  return {
    of(process, own) {
      if (own !== null) owns.set(process, own);
      const store = processStore(
        shared.objects,
        { world, process, faults },
        {
          done(operation, result) {
            const { kind, key } = operation;
            const batch = key.startsWith(openPrefix) ? batchOfOpenKey(key) : (key.split("/")[0] ?? "");
            if ((kind === "put" || kind === "remove") && !batch.startsWith("_"))
              touched(process, `${kind}s`, batch, key);
            tell.done(process, operation, result);
            diary.done(process, operation);
          },
          learnt: (operation, result) => learnt(process, operation, result),
          die: () => tell.kill(process),
        },
      );
      const clock: Clock = {
        now: () => shared.startMs + Math.round(world.now()),
        sleep: process.sleep,
        every: process.every,
        random: () =>
          Array.from({ length: 2 }, () =>
            Math.floor(world.random() * 2 ** 32)
              .toString(16)
              .padStart(8, "0"),
          ).join(""),
      };
      const queue = redis.view(process, faults, () => tell.kill(process));
      return {
        name: process.name,
        store,
        queue: planted?.queue?.(queue, redis) ?? queue,
        clock,
        decodeShard: shared.decodeShard,
        stage: planted?.stage ?? stageBatch,
        random: world.random,
      };
    },

    disk(host, process) {
      const disk = disks.get(host) ?? memoryStore();
      disks.set(host, disk);
      const calm = { ...faults, note: faults.note, fateAtStore: () => null };
      return processStore(
        disk,
        { world, process, faults: calm },
        { done: () => {}, learnt: () => {}, die: () => tell.kill(process) },
      );
    },

    changedJobs(process, jobs) {
      for (const batch of new Set(jobs.map((job) => job.batch))) touched(process, "changes", batch, `jobs of ${batch}`);
    },
  };
}

/** The batch that was submitted, of itself or of one of its retries. */
export function headOf(batch: string): string {
  return parentOfRetry(batch)?.batch ?? batch;
}
