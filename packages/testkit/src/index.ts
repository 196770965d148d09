export { type ManualClock, manualClock } from "./manual-clock.ts";
export { memoryStore } from "./memory-store.ts";
export { s3Action } from "./s3-action.ts";
export { faultScript, type S3Fault } from "./s3-fault.ts";
export { type S3LogEntry, type S3Server, startS3Server } from "./s3-server.ts";
export { seeded } from "./seeded.ts";
export { storeContract } from "./store-contract.ts";
