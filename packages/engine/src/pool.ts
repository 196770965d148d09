export type { EngineClient } from "./engine-client.ts";
export { createEnginePool } from "./engine-pool.ts";
export type { Look } from "./take-back.ts";
