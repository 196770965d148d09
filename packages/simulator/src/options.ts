import type { SimulatorFaults } from "./faults.ts";

/** What GET /version says: vLLM's own version that is imitated, and that it is. */
export const simulatorVersion = "0.32.0-simulated";

export interface Knows {
  /** false: ignored, as by vLLM before 0.20 */
  readonly logprobTokenIds: boolean;
  /** false: ignored */
  readonly returnTokenIds: boolean;
  /** false: 404 on /tokenize and /detokenize, as at hosted servers */
  readonly tokenize: boolean;
  /** false: role `principle` is refused, as by SGLang and by most templates */
  readonly principleRole: boolean;
  /** false: fields that OpenAI does not have are refused, not ignored, as by OpenAI itself */
  readonly otherFields: boolean;
}

export interface SimulatorOptions {
  /** 127.0.0.1 */
  readonly host?: string;
  /** 0: any free one */
  readonly port?: number;
  /** served name; "simulator" */
  readonly model?: string;
  /** rows computed at once; 64 */
  readonly slots?: number;
  /** of a row alone; 0 answers at once, still through the slots; 0 */
  readonly tokensPerSecond?: number;
  /**
   * of all rows together at most: the more run, the longer each one's token takes, and a prefill holds all of them up.
   * 0: rows do not disturb each other; 0
   */
  readonly engineTokensPerSecond?: number;
  /** of one row, for prompt tokens that the prefix cache does not hold; 0 costs no time; 0 */
  readonly prefillTokensPerSecond?: number;
  /** mean number of tokens between <think> and </think>, lognormal with a long tail; 200 */
  readonly reasoningTokens?: number;
  /** share of answers in another form: bold, on a new line, with a dot, without a verdict, looping; 0 to 1; 0 */
  readonly oddities?: number;
  /** tokens; 32768 */
  readonly maxModelLen?: number;
  /** asked for under /v1 only, as vLLM does; null */
  readonly apiKey?: string | null;
  /** of the simulated weights: another seed is another model; 0 */
  readonly seed?: number;
  /** what GET /version says; `simulatorVersion` */
  readonly version?: string;
  readonly faults?: SimulatorFaults;
  /** --logprobs-mode; "raw" */
  readonly logprobsMode?: "raw" | "processed";
  /** --reasoning-parser qwen3; false */
  readonly reasoningParser?: boolean;
  /** --enable-prompt-tokens-details; false */
  readonly promptTokensDetails?: boolean;
  /** what other servers lack; all true */
  readonly knows?: Partial<Knows>;
  /** --max-logprobs: the longest list of likeliest tokens; 20 */
  readonly maxLogprobs?: number;
  /** nats that the first generated token's Yes loses: a prefill kernel that differs from the decode kernel; 0 */
  readonly prefillShift?: number;
  /** KV blocks; as many as `slots` rows of full length need, so that they never run out */
  readonly kvBlocks?: number;
  /** tokens of one KV block; 16 */
  readonly blockSize?: number;
}

export type ResolvedOptions = Required<Omit<SimulatorOptions, "knows" | "faults">> & {
  readonly knows: Knows;
};

/** 512 MB of this process to count them. */
const mostKvBlocks = 2 ** 27;

/** Fills in the defaults. Throws RangeError for numbers that no engine could start with. */
export function resolveOptions(options: SimulatorOptions): ResolvedOptions {
  const slots = options.slots ?? 64;
  const maxModelLen = options.maxModelLen ?? 32_768;
  const blockSize = options.blockSize ?? 16;
  const blocksOfOneRow = Math.ceil(maxModelLen / blockSize);
  const resolved: ResolvedOptions = {
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 0,
    model: options.model ?? "simulator",
    slots,
    tokensPerSecond: options.tokensPerSecond ?? 0,
    engineTokensPerSecond: options.engineTokensPerSecond ?? 0,
    prefillTokensPerSecond: options.prefillTokensPerSecond ?? 0,
    reasoningTokens: options.reasoningTokens ?? 200,
    oddities: options.oddities ?? 0,
    maxModelLen,
    apiKey: options.apiKey ?? null,
    seed: options.seed ?? 0,
    version: options.version ?? simulatorVersion,
    logprobsMode: options.logprobsMode ?? "raw",
    reasoningParser: options.reasoningParser ?? false,
    promptTokensDetails: options.promptTokensDetails ?? false,
    knows: {
      logprobTokenIds: options.knows?.logprobTokenIds ?? true,
      returnTokenIds: options.knows?.returnTokenIds ?? true,
      tokenize: options.knows?.tokenize ?? true,
      principleRole: options.knows?.principleRole ?? true,
      otherFields: options.knows?.otherFields ?? true,
    },
    maxLogprobs: options.maxLogprobs ?? 20,
    prefillShift: options.prefillShift ?? 0,
    kvBlocks: options.kvBlocks ?? slots * blocksOfOneRow,
    blockSize,
  };
  for (const name of ["slots", "maxModelLen", "blockSize", "kvBlocks", "maxLogprobs"] as const) {
    if (!Number.isInteger(resolved[name]) || resolved[name] < 1)
      throw new RangeError(`startSimulator: ${name} is ${resolved[name]}, expected a whole number from 1`);
  }
  const speeds = ["tokensPerSecond", "engineTokensPerSecond", "prefillTokensPerSecond"] as const;
  for (const name of [...speeds, "reasoningTokens", "oddities", "prefillShift"] as const) {
    if (!(resolved[name] >= 0))
      throw new RangeError(`startSimulator: ${name} is ${resolved[name]}, expected 0 or more`);
  }
  // a real engine refuses to start, too: the longest row alone must fit
  if (resolved.kvBlocks < blocksOfOneRow) {
    throw new RangeError(
      `startSimulator: kvBlocks is ${resolved.kvBlocks}, but one row of ${maxModelLen} tokens needs ${blocksOfOneRow} blocks of ${blockSize}`,
    );
  }
  if (resolved.kvBlocks > mostKvBlocks) {
    throw new RangeError(
      `startSimulator: kvBlocks is ${resolved.kvBlocks} (slots, times blocks of maxModelLen, where none are given), expected at most ${mostKvBlocks}`,
    );
  }
  return resolved;
}
