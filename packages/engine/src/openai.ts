export { type Collected, collectStream } from "./collect-stream.ts";
export type { EngineCheck } from "./engine-check.ts";
export { type Engines, type OpenEnginesOptions, openEngines } from "./open-engines.ts";
export type { EngineReport } from "./probe-engine.ts";
export { createAnswerReader, type ReadAnswer } from "./read-answer.ts";
export { engineAgentOptions } from "./undici-fetch.ts";
