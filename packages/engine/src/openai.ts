export { type Engines, type OpenEnginesOptions, openEngines } from "./open-engines.ts";
export type { EngineCheck, EngineReport } from "./probe-engine.ts";
export { engineAgentOptions } from "./undici-fetch.ts";
