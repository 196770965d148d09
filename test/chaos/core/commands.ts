import { isAssayError, type Status, successKey } from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { JobQueue } from "@assay/queue";
import {
  appendControl,
  type Clock,
  type Control,
  finalizeBatch,
  findGarbage,
  linkRetry,
  loadBatch,
  loadBatchIfPresent,
  planBatch,
  readControl,
  reconcileBatch,
  removeGarbage,
  reweighBatch,
  type stageBatch,
  stageRetry,
  verifyBatch,
  withdrawBatch,
} from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { Action } from "./night.ts";
import { inputSource, readRecords, settings } from "./night-batch.ts";

/** What a command has in its hands: one process with its own view of everything. */
export interface CommandPorts {
  readonly name: string;
  readonly store: ObjectStore;
  readonly queue: JobQueue;
  readonly clock: Clock;
  readonly decodeShard: DecodeShard;
  readonly stage: typeof stageBatch;
  readonly random: () => number;
}

/** What a person was told by a command about the state of a batch. */
export type Tell = (told: Pick<Control, "state">) => void;

const never = new AbortController().signal;

/**
 * `assay submit`: both passes, and the jobs; `texts` are what the passes read. With another weight than 1 also
 * `assay resume --weight`, of a batch that runs or not. Ends where the commands would end for good.
 */
export async function submit(ports: CommandPorts, texts: readonly string[], weight: number): Promise<void> {
  const { store } = ports;
  const source = inputSource(...texts);
  const planned = await planBatch([source], settings, readRecords);
  try {
    const { file } = await ports.stage(store, planned, [source], settings, readRecords, { signal: never });
    const { batch } = file;
    const control =
      weight === 1
        ? await readControl(store, batch)
        : (await appendControl(store, batch, { weight }, authorOf(ports))).control;
    if (control.state === "cancelled") return;
    await withQueue(ports, async (queue) => {
      if (weight !== 1) await reweighBatch(store, queue, file, control.n);
      await reconcileBatch(store, queue, file);
      await queue.nudge(batch);
    });
  } catch (error) {
    if (!isAssayError(error, "E_INPUT_CHANGED") || texts.length === 1) throw error;
  }
}

/** One action of a person at a batch that may not be there yet. Returns what is wrong with what the command said; null = nothing. */
export async function act(
  ports: CommandPorts,
  batch: string,
  { verb, elsewhere }: Action,
  tell: Tell,
): Promise<string | null> {
  const { store, decodeShard } = ports;
  const file = await loadBatchIfPresent(store, batch);
  if (file === null) return null;
  const author = authorOf(ports);
  const tellWorkers = (work: (queue: JobQueue) => Promise<unknown>): Promise<void> =>
    elsewhere ? Promise.resolve() : withQueue(ports, work);
  switch (verb) {
    case "pause":
    case "cancel": {
      const state = verb === "pause" ? ("paused" as const) : ("cancelled" as const);
      const { control } = await appendControl(store, batch, { state }, author);
      tell(control);
      if (control.state === state) await tellWorkers((queue) => withdrawBatch(store, queue, file));
      return null;
    }
    case "resume":
    case "weigh": {
      const weight = verb === "weigh" ? 1 + Math.floor(4 * ports.random()) : undefined;
      const change = { state: "running" as const, ...(weight === undefined ? {} : { weight }) };
      const { control } = await appendControl(store, batch, change, author);
      tell(control);
      if (control.state === "complete") return null;
      await tellWorkers(async (queue) => {
        if (weight !== undefined) await reweighBatch(store, queue, file, control.n);
        await reconcileBatch(store, queue, file);
        await queue.nudge(batch);
      });
      return null;
    }
    case "retry":
      await retry(ports, batch);
      return null;
    case "verify": {
      const { broken } = await verifyBatch({ store, decodeShard }, batch);
      return broken === null ? null : `verify says in the night: ${broken.promise} ${broken.what} ${broken.where}`;
    }
    case "finalize":
      await finalizeBatch({ store, decodeShard }, file, author);
      return null;
    case "collect":
      for await (const garbage of findGarbage(store)) await removeGarbage(store, garbage);
      return null;
  }
}

function authorOf({ clock, name }: CommandPorts): Parameters<typeof appendControl>[3] {
  return { id: clock.random(), at: new Date(clock.now()).toISOString(), by: name };
}

/** Long enough for a night without a pause. */
const waitsMs = 300_000;
const filters: readonly (readonly Status[])[] = [["rejected", "no_verdict"], ["rejected"]];

/** `assay wait` and `assay retry`; two who want other rows meet, one of them hears E_NOT_FINISHED. */
async function retry({ store, queue, clock, decodeShard, random }: CommandPorts, batch: string): Promise<void> {
  const until = clock.now() + waitsMs;
  while ((await store.head(successKey(batch))) === null) {
    if (clock.now() > until) return;
    // one of its own: who is killed never stops listening
    await clock.sleep(15_000, new AbortController().signal);
  }
  const head = await loadBatch(store, batch);
  const status = filters[Math.floor(filters.length * random())] ?? [];
  const author = { at: new Date(clock.now()).toISOString(), by: "person" };
  try {
    const linked = await linkRetry(
      { store, decodeShard },
      head,
      { status, set: new Map(), again: random() < 0.5 },
      author,
    );
    if (linked === null) return;
    const child = await stageRetry({ store, decodeShard }, head, linked.n, { software: "0.0.0-night", signal: never });
    if ((await readControl(store, child.batch)).state !== "running") return;
    await withQueue({ queue }, (jobs) => reconcileBatch(store, jobs, child));
  } catch (error) {
    if (!isAssayError(error, "E_NOT_FINISHED")) throw error;
  }
}

/** The store rules without a Redis: one that is away is only said. */
async function withQueue(
  { queue }: Pick<CommandPorts, "queue">,
  work: (queue: JobQueue) => Promise<unknown>,
): Promise<void> {
  try {
    await work(queue);
  } catch (error) {
    if (!isAssayError(error, "E_REDIS_UNAVAILABLE")) throw error;
  }
}
