import { AssayError, type BatchFile, type Pin, type Profile, pinDifferences, profileSha256 } from "@assay/core";
import type { EngineFacts } from "@assay/engine";
import { type Control, readControl } from "./control-log.ts";
import { loadBatch } from "./load-batch.ts";
import { openReuse, type Reuse, type ReusePorts } from "./open-reuse.ts";
import { pinBatch } from "./pin-batch.ts";
import { createFailureWatch, type FailureWatch } from "./watch-failures.ts";

/** What a worker knows about a batch while it scores chunks of it. */
export interface BatchContext {
  readonly file: BatchFile;
  readonly pin: Pin;
  readonly engineVersion: string;
  /** The batch's profile with the verdict ids that the probe found. */
  readonly profile: Profile;
  readonly way: "two-step" | "ids";
  /** results of earlier batches that stand for rows with the same row_key; null where the batch names none */
  readonly reuse: Reuse | null;
  readonly watch: FailureWatch;
  control: Control;
}

/** What the probe found for one profile, engine by engine. */
export interface ProbedEngines {
  readonly profile: Profile;
  readonly facts: readonly EngineFacts[];
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
  const { profile, facts } = await probe(file.profile, file.revision);
  const first = facts[0];
  if (first === undefined)
    throw new AssayError("E_ENGINE_REFUSED", "no engine answers", { expected: "at least one engine" });
  const pin: Pin = { ...first.pin, revision: file.revision };
  for (const other of facts) refuseMixedFleet(first, other);
  const way = chooseWay(file.profile, facts);
  await pinBatch(store, batch, pin, first.origin);
  const reuse = file.reuse.length === 0 ? null : await openReuse(ports, file.reuse, pin);
  const engineVersion = [...new Set(facts.map(({ version }) => version))].sort().join(",");
  return { file, pin, engineVersion, profile, way, reuse, watch: createFailureWatch(), control };
}

/** The profile's own way where every engine can do it, else the other; the batch's shards say which per row. */
function chooseWay(profile: Profile, facts: readonly EngineFacts[]): "two-step" | "ids" {
  const wanted = [profile.verdict.read, profile.verdict.read === "ids" ? ("two-step" as const) : ("ids" as const)];
  for (const way of wanted) {
    if (way === "two-step" && profile.verdict.position === "first") continue;
    if (facts.every(({ ways }) => ways.includes(way))) return way;
  }
  throw new AssayError("E_ENGINE_REFUSED", "no way of reading the verdict works on every engine", {
    expected: wanted.join(" or "),
    got: facts.map(({ origin, ways }) => `${origin}: ${ways.join(", ") || "none"}`).join("; "),
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
