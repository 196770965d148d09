export { type Collected, collectStream } from "./collect-stream.ts";
export type { EngineCheck } from "./engine-check.ts";
export { type Engines, type OpenEnginesOptions, openEngines } from "./open-engines.ts";
export type { EngineReport } from "./probe-engine.ts";
export { createAnswerReader, type ReadAnswer } from "./read-answer.ts";
export type { BenchMeasured, BenchSettings, BenchStart } from "./run-bench.ts";
export { type BenchLine, type BenchSummary, sumUpBench } from "./sum-up-bench.ts";
export { engineAgentOptions } from "./undici-fetch.ts";
