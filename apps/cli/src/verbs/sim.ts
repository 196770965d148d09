import { AssayError } from "@assay/core";
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

/**
 * A simulated engine in the foreground: prints its URL on stdout and serves until a signal. Throws E_USAGE for sizes that
 * no engine could start with and for an address that cannot be listened on.
 */
export async function sim({ diesOf, ...flags }: SimFlags): Promise<void> {
  const signals = onSignals("stopping");
  const faults = diesOf === undefined ? {} : { diesOf };
  const simulator = await startSimulator({ promptTokensDetails: true, ...flags, faults }).catch((cause: unknown) => {
    signals.close();
    throw startError(cause, flags);
  });
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

function startError(cause: unknown, { host, port }: Pick<SimFlags, "host" | "port">): unknown {
  const { name, code, message, syscall } = cause as NodeJS.ErrnoException;
  if (syscall === "listen" || syscall === "getaddrinfo") {
    const where = `--host ${host} --port ${port}`;
    return new AssayError("E_USAGE", "this address cannot be listened on", { where, got: code ?? message, cause });
  }
  if (name === "RangeError") return new AssayError("E_USAGE", "no engine starts like this", { got: message, cause });
  return cause;
}
