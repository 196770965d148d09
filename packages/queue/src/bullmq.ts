export { assertRedis } from "./assert-redis.ts";
export { type BullmqOptions, bullmqQueue } from "./bullmq-queue.ts";
