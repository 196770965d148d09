export type { Job, JobQueue, LeasedJob } from "./port.ts";
