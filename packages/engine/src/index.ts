export type { EngineFacts, EnginePool, EngineSlot, Fate } from "./port.ts";
