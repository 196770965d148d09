export { assertRedis } from "./assert-redis.ts";
export { type BullmqOptions, bullmqQueue } from "./bullmq-queue.ts";
export { readStates } from "./worker-states.ts";
