import { AssayError } from "@assay/core";
import { type Engines, engineAgentOptions, openEngines } from "@assay/engine/openai";
import { Agent } from "undici";
import { addCrashPoints } from "./crash-points.ts";
import type { EngineFlags } from "./flags.ts";
import { readSmallFile } from "./read-small-file.ts";
import { engineHook } from "./run-hook.ts";
import { note } from "./say.ts";

export interface OpenedEngines extends Engines {
  /** for people: origins, or "a simulated engine" */
  readonly described: string;
}

/** Rows that the simulated engine of `--engine sim` works on at once. */
const simulatedSlots = 64;

/**
 * The engines that `--engine` names: URLs, or `sim` for a simulated one in this process, which serves `model` or the
 * name "simulator". Asks nothing yet. The key is ASSAY_ENGINE_KEY or the content of --engine-key-file, never an
 * argument: arguments are seen by every user of the machine.
 */
export async function openNamedEngines(flags: EngineFlags, model: string | undefined): Promise<OpenedEngines> {
  if (flags.engine.length === 0)
    throw new AssayError("E_USAGE", "no engine is named", { expected: "--engine URL[,URL…], or --engine sim" });
  const apiKey = await readEngineKey(flags.engineKeyFile);
  if (!flags.engine.includes("sim")) return open(flags.engine, apiKey, flags, flags.engine.join(", "));
  if (flags.engine.length > 1)
    throw new AssayError("E_USAGE", "a simulated engine stands alone: its rewards never mix with real ones", {
      expected: "--engine sim, or URLs",
      got: flags.engine.join(", "),
    });
  const { startSimulator } = await import("@assay/simulator");
  const simulator = await startSimulator({
    slots: simulatedSlots,
    tokensPerSecond: 0,
    // as docs/reference/engines.md starts a real one: whether two steps pay is judged by it
    promptTokensDetails: true,
    ...(model === undefined ? {} : { model }),
  });
  const opened = open([simulator.url], apiKey, flags, "a simulated engine in this process");
  return {
    ...opened,
    async close() {
      await opened.close();
      await simulator.close();
    },
  };
}

function open(urls: readonly string[], apiKey: string | null, flags: EngineFlags, described: string): OpenedEngines {
  const agent = new Agent(engineAgentOptions());
  const engines = openEngines({
    urls,
    agent,
    apiKey,
    inFlight: flags.inFlight ?? null,
    onWarning: note,
    ...(flags.onEngineHung === undefined ? {} : { onHung: engineHook(flags.onEngineHung) }),
  });
  return {
    pool: addCrashPoints(engines.pool),
    models: (of) => engines.models(of),
    probe: (profile, model, revision) => engines.probe(profile, model, revision),
    examine: (profile, model) => engines.examine(profile, model),
    bench: (settings, hooks) => engines.bench(settings, hooks),
    described,
    async close() {
      await engines.close();
      await agent.destroy();
    },
  };
}

/** Keys by their files: one that is a pipe, such as `<(pass assay)`, can be read only once. */
const keys = new Map<string, Promise<string>>();

/** The key that engines are asked with, if any. Throws E_USAGE where the file cannot be read or holds none. */
export async function readEngineKey(file: string | undefined): Promise<string | null> {
  if (file === undefined) return process.env.ASSAY_ENGINE_KEY || null;
  const key = keys.get(file) ?? readKey(file);
  keys.set(file, key);
  return key;
}

async function readKey(file: string): Promise<string> {
  let text: string;
  try {
    text = await readSmallFile(file);
  } catch (cause) {
    throw new AssayError("E_USAGE", "the file with the engine's key cannot be read", {
      where: file,
      got: (cause as NodeJS.ErrnoException).code ?? String(cause),
      cause,
    });
  }
  if (text.trim() === "") throw new AssayError("E_USAGE", "the file with the engine's key is empty", { where: file });
  return text.trim();
}
