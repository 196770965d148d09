import {
  type Asked,
  AssayError,
  type BothWays,
  comparedRows,
  makeReadsFile,
  type ReadPair,
  type ReadsFile,
  type ReadWay,
  readsBytes,
  readsFileSchema,
  readsKey,
  reward,
  type SecondSeen,
  type ServerForm,
  seenWindow,
  toAssayError,
  type VerdictRead,
  vllmForm,
  whyHandOver,
} from "@assay/core";
import type { EngineFacts } from "@assay/engine";
import type { ObjectStore } from "@assay/store";

/** What a worker has to say about a change of way. */
export interface WayTold {
  readonly engine: string;
  /** the way that this engine's rows are read in from now on */
  readonly way: ReadWay;
  readonly reason: string;
}

/** In which way the rows of one batch are read on each engine of this worker. */
export interface BatchReading {
  /** the way that the worker began with */
  readonly first: ReadWay;
  /** `both`: one answer is to be read both ways, since the engine wants to change and nobody has compared yet */
  on(origin: string): { readonly way: ReadWay | "both"; readonly server: ServerForm };
  /** Takes an answer into account. */
  note(origin: string, asked: Asked): void;
  /** An answer that was read both ways. Returns the reading that counts: that of the engine's present way. */
  noteBoth(rowIndex: number, both: BothWays): Asked;
  /**
   * After an answer: where the engine wants to change, compares, asks the store, and changes its way; null where it does
   * not. A store that is away only puts it off, one that is silent leaves it open. Rejects with E_BROKEN.
   */
  settle(origin: string): Promise<void> | null;
}

export async function readReads(store: ObjectStore, batch: string): Promise<ReadsFile | null> {
  const bytes = await store.get(readsKey(batch));
  if (bytes === null) return null;
  try {
    return readsFileSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new AssayError("E_BROKEN", "reads.json is not one of ours", { where: readsKey(batch), cause });
  }
}

interface EngineReading {
  way: ReadWay;
  readonly server: ServerForm;
  readonly blockSize: number | null;
  /** false: its way is insisted on, it knows no other, or the other was compared and differs */
  mayChange: boolean;
  /** why it wants to change; null = it does not */
  wants: string | null;
  /** the store was asked since it wants to, as another worker may have compared already */
  hasLooked: boolean;
  readonly seen: SecondSeen[];
}

/**
 * Watches what second requests cost, engine by engine, and hands an engine over from two steps to exact ids when they
 * cost too much. Before a batch's first change of way 64 of its rows are read both ways (reads.json, shared by all
 * workers); where they differ, the batch stays with its first way.
 */
export function createBatchReading(options: {
  readonly store: ObjectStore;
  readonly batch: string;
  readonly first: ReadWay;
  readonly insist: boolean;
  readonly facts: readonly EngineFacts[];
  readonly onWay: (told: WayTold) => void;
}): BatchReading {
  const { store, batch, first, onWay } = options;
  const engines = new Map(
    options.facts.map(({ origin, ways, server, blockSize }): [string, EngineReading] => [
      origin,
      {
        way: first,
        server,
        blockSize,
        mayChange: !options.insist && first === "two-step" && ways.includes("ids"),
        wants: null,
        hasLooked: false,
        seen: [],
      },
    ]),
  );
  const pairs: ReadPair[] = [];
  let settling: Promise<void> | null = null;

  /** Changes the engines that want to, once the batch's rows were compared: by us, or by another worker. */
  async function settleAll(): Promise<void> {
    let reads: ReadsFile | null;
    try {
      reads = await readReads(store, batch);
      if (reads === null && pairs.length >= comparedRows) {
        await store.putIfAbsent(readsKey(batch), readsBytes(makeReadsFile(pairs)));
        reads = await readReads(store, batch);
      }
    } catch (error) {
      // looked at again with the next row
      if (toAssayError(error).class === "infrastructure") return;
      throw error;
    }
    if (reads === null) return;
    const seen = `${reads.rows} rows read both ways differ by ${reads.p95.toFixed(3)} at the 95th percentile`;
    for (const [engine, reading] of engines) {
      if (reading.wants === null) continue;
      if (reads.may_mix) reading.way = "ids";
      const reason = reads.may_mix
        ? `${reading.wants}; ${seen}`
        : `${seen}, too much to change, although ${reading.wants}`;
      reading.mayChange = false;
      reading.wants = null;
      onWay({ engine, way: reading.way, reason });
    }
  }

  return {
    first,

    on(origin) {
      const reading = engines.get(origin);
      // one that did not answer when the others were probed has passed as they did since
      if (reading === undefined) return { way: first, server: options.facts[0]?.server ?? vllmForm };
      const compares = reading.wants !== null && pairs.length < comparedRows;
      return { way: compares ? "both" : reading.way, server: reading.server };
    },

    note(origin, asked) {
      const reading = engines.get(origin);
      if (reading === undefined || !reading.mayChange || !asked.ok || asked.second === null) return;
      reading.seen.push({ ...asked.second, rowMs: asked.latencyMs });
      if (reading.seen.length > seenWindow) reading.seen.shift();
      reading.wants ??= whyHandOver(reading.seen, reading.blockSize);
    },

    noteBoth(rowIndex, { ids, twoStep }) {
      const [byIds, bySteps] = [rewardOf(ids), twoStep === null ? null : rewardOf(twoStep)];
      if (byIds !== null && bySteps !== null) pairs.push({ row_index: rowIndex, two_step: bySteps, ids: byIds });
      return twoStep ?? ids;
    },

    settle(origin) {
      const reading = engines.get(origin);
      if (reading === undefined || reading.wants === null) return null;
      if (reading.hasLooked && pairs.length < comparedRows) return null;
      reading.hasLooked = true;
      settling ??= settleAll().finally(() => {
        settling = null;
      });
      return settling;
    },
  };
}

function rewardOf(asked: Asked): number | null {
  const read: VerdictRead | null = asked.ok ? asked.read : null;
  if (read?.status !== "ok" || read.logprobYes === null || read.logprobNo === null) return null;
  return reward(read.logprobYes, read.logprobNo);
}
