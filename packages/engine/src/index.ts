export type { EngineFacts, EnginePool, EngineSlot } from "./port.ts";
