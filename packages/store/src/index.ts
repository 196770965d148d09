export { assertAtomicStore } from "./assert-atomic-store.ts";
export { checkKey, checkPrefix, checkRemovable, compareKeys, isKey } from "./check-key.ts";
export { checkRange } from "./check-range.ts";
export type { ObjectStore } from "./port.ts";
