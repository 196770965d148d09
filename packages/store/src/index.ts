export type { ObjectInfo, ObjectStore, PutResult } from "./port.ts";
