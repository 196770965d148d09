import { startSimulator } from "@assay/simulator";
import { onSignals } from "../on-signals.ts";
import { note, result } from "../say.ts";

interface SimFlags {
  readonly port: number;
  readonly host: string;
  readonly model: string;
  readonly slots?: number;
  readonly tokensPerSecond?: number;
  readonly reasoningTokens?: number;
  readonly engineTokensPerSecond?: number;
  readonly prefillTokensPerSecond?: number;
  readonly maxModelLen?: number;
  readonly kvBlocks?: number;
}

/** A simulated engine in the foreground: prints its URL on stdout and serves until a signal. */
export async function sim(flags: SimFlags): Promise<void> {
  const signals = onSignals("stopping");
  const simulator = await startSimulator({ promptTokensDetails: true, ...flags });
  try {
    result(simulator.url);
    note(`serves ${flags.model}; its rewards are not judgements; Ctrl-C ends it`);
    await new Promise<void>((resolve) => signals.drain.addEventListener("abort", () => resolve(), { once: true }));
  } finally {
    await simulator.close();
    signals.close();
  }
}
