export { collectStream } from "./collect-stream.ts";
export { type Engines, openEngines } from "./open-engines.ts";
export { createAnswerReader } from "./read-answer.ts";
export type { BenchMeasured, BenchStart } from "./run-bench.ts";
export { type BenchLine, type BenchSummary, sumUpBench } from "./sum-up-bench.ts";
export { engineAgentOptions } from "./undici-fetch.ts";
