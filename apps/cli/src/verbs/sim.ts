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
  readonly diesOf?: string;
}

/** What a shell says of a process that was ended by SIGSEGV, as CUDA's faults end one. */
const crashed = 139;

/** A simulated engine in the foreground: prints its URL on stdout and serves until a signal. */
export async function sim({ diesOf, ...flags }: SimFlags): Promise<void> {
  const signals = onSignals("stopping");
  const faults = diesOf === undefined ? {} : { diesOf };
  const simulator = await startSimulator({ promptTokensDetails: true, ...flags, faults });
  try {
    result(simulator.url);
    note(`serves ${flags.model}; its rewards are not judgements; Ctrl-C ends it`);
    const stopped = new Promise<void>((resolve) => {
      signals.drain.addEventListener("abort", () => resolve(), { once: true });
    });
    const died = simulator.died.then(() => {
      process.exitCode = crashed;
    });
    await Promise.race([stopped, died]);
  } finally {
    await simulator.close();
    signals.close();
  }
}
