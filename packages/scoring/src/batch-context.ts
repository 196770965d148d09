import {
  AssayError,
  type BatchFile,
  type Pin,
  type Profile,
  pinDifferences,
  pinKey,
  profileSha256,
  type ReadWay,
  readWays,
  type ServerForm,
} from "@assay/core";
import type { EngineFacts } from "@assay/engine";
import type { ObjectStore } from "@assay/store";
import { type BatchReading, createBatchReading, readReads, type WayTold } from "./batch-reading.ts";
import { type Control, readControl } from "./control-log.ts";
import { loadBatch } from "./load-batch.ts";
import { openReuse, type Reuse, type ReusePorts } from "./open-reuse.ts";
import { pinBatch } from "./pin-batch.ts";
import { createFailureWatch, type FailureWatch } from "./watch-failures.ts";

/** What a worker knows about a batch while it scores chunks of it. */
export interface BatchContext {
  readonly file: BatchFile;
  readonly pin: Pin;
  /** sorted, joined by commas */
  readonly engineVersion: () => string;
  /** The batch's profile with the verdict ids that the probe found. */
  readonly profile: Profile;
  readonly reading: BatchReading;
  /** how its requests are rendered, and what else goes for all its engines */
  readonly server: ServerForm;
  /** results of earlier batches that stand for rows with the same row_key; null where the batch names none */
  readonly reuse: Reuse | null;
  readonly watch: FailureWatch;
  control: Control;
}

/** What the probe found for one profile, engine by engine. */
export interface ProbedEngines {
  readonly profile: Profile;
  readonly facts: readonly EngineFacts[];
  /** every version that one of the engines has had so far: one that comes back may have another under an equal pin */
  versions(): readonly string[];
}
export type ProbeEngines = (profile: Profile, revision: string | null) => Promise<ProbedEngines>;

/**
 * Loads a batch, probes the engines of `model` with its profile, and pins it. Rejects with E_PIN_MISMATCH or
 * E_SIMULATED_MIX (the engines are not those that began the batch), E_ENGINE_REFUSED (the probe failed), and
 * E_NO_SUCH_BATCH, also for a batch of another model, which these engines must not pin.
 */
export async function openBatch(
  ports: ReusePorts,
  batch: string,
  model: string,
  probe: ProbeEngines,
  onWay: (told: WayTold) => void,
): Promise<BatchContext> {
  const { store } = ports;
  const file = await loadBatch(store, batch);
  if (file.model !== model) {
    throw new AssayError("E_NO_SUCH_BATCH", "this batch asks another model", {
      where: `${store.uri}/${batch}`,
      expected: model,
      got: file.model,
    });
  }
  const control = await readControl(store, batch);
  const { profile, facts, versions } = await probe(file.profile, file.revision);
  const first = facts[0];
  if (first === undefined)
    throw new AssayError("E_ENGINE_REFUSED", "no engine answers", { expected: "at least one engine" });
  for (const other of facts) refuseMixedFleet(first, other);
  const own = chooseWay(file.profile, facts);
  const topLogprobs = Math.min(...facts.map(({ server }) => server.topLogprobs));
  const found: Pin = { ...first.pin, revision: file.revision, read: own };
  const asFound = own === "top" ? { ...found, top: topLogprobs } : found;
  const pin = await pinBatch(store, batch, asFound, first.origin);
  const way = await joinWay({ store, batch, pin, own, topLogprobs, facts });
  const insist = file.profile.verdict.insist === true;
  // lists as long as the batch's first: a longer one would bound otherwise what is not in it
  const server: ServerForm = { ...first.server, topLogprobs: way === "top" ? (pin.top ?? topLogprobs) : topLogprobs };
  const asked = facts.map((one) => ({ ...one, server: { ...one.server, topLogprobs: server.topLogprobs } }));
  const reading = createBatchReading({ store, batch, first: way, insist, facts: asked, onWay });
  const reuse = file.reuse.length === 0 ? null : await openReuse(ports, file, pin);
  const engineVersion = (): string => [...new Set(versions())].sort().join(",");
  return { file, pin, engineVersion, profile, reading, server, reuse, watch: createFailureWatch(), control };
}

/** The first of the ways, in the profile's order, that every engine can do. */
function chooseWay(profile: Profile, facts: readonly EngineFacts[]): ReadWay {
  const { read, insist, position } = profile.verdict;
  const others = readWays.filter((way) => way !== read && !(way === "two-step" && position === "first"));
  const wanted = insist === true ? [read] : [read, ...others];
  const way = wanted.find((one) => facts.every(({ ways }) => ways.includes(one)));
  if (way !== undefined) return way;
  throw new AssayError("E_ENGINE_REFUSED", "no way of reading the verdict works on every engine", {
    expected: wanted.join(" or "),
    got: facts.map(({ origin, ways }) => `${origin}: ${ways.join(", ") || "none"}`).join("; "),
  });
}

/**
 * The way in which this worker joins a batch: the batch's first, where its engines can do it. Two steps and exact ids
 * may join each other once reads.json says that they agree here; lists of the likeliest tokens join nothing.
 */
async function joinWay(join: {
  store: ObjectStore;
  batch: string;
  pin: Pin;
  own: ReadWay;
  topLogprobs: number;
  facts: readonly EngineFacts[];
}): Promise<ReadWay> {
  const { store, batch, pin, own, topLogprobs, facts } = join;
  const first = pin.read ?? own;
  const listsAreShort = first === "top" && topLogprobs < (pin.top ?? topLogprobs);
  if (!listsAreShort && facts.every(({ ways }) => ways.includes(first))) return first;
  const isExact = first !== "top" && own !== "top";
  if (isExact && (await readReads(store, batch))?.may_mix === true) return own;
  const describe = (way: ReadWay, length: number): string => (way === "top" ? `top, lists of ${length}` : way);
  throw new AssayError("E_PIN_MISMATCH", "this engine cannot read as the batch was begun", {
    where: pinKey(batch),
    expected: `read ${describe(first, pin.top ?? topLogprobs)}`,
    got: `read ${describe(own, topLogprobs)}`,
    next: isExact
      ? "an engine that knows both ways; 64 rows read both ways (reads.json) may let them mix"
      : "an engine that reads as the first one did, or a batch of its own (--read)",
  });
}

function refuseMixedFleet(first: EngineFacts, other: EngineFacts): void {
  const differences = pinDifferences(first.pin, other.pin);
  if (differences.length === 0) return;
  throw new AssayError("E_PIN_MISMATCH", "two engines of this worker are not alike", {
    where: `${first.origin} and ${other.origin}`,
    expected: differences.map(({ field, pinned }) => `${field} ${pinned}`).join(", "),
    got: differences.map(({ field, found }) => `${field} ${found}`).join(", "),
  });
}

/** One probe per profile and worker: batches of one profile share it. */
export function probeOnce(probe: ProbeEngines): ProbeEngines {
  const probed = new Map<string, Promise<ProbedEngines>>();
  return (profile, revision) => {
    const key = `${profileSha256(profile)} ${revision ?? ""}`;
    let found = probed.get(key);
    if (found === undefined) {
      found = probe(profile, revision);
      // a failed probe is asked again next time: the engine may be mended by then
      found.catch(() => probed.delete(key));
      probed.set(key, found);
    }
    return found;
  };
}
