import { bullmqQueue } from "../src/bullmq.ts";
import { type FindRedisOptions, findRedis } from "../src/private-redis.ts";
import { killServer } from "./private-server.ts";

/**
 * What `startProcess` runs. "hold" takes a job and keeps it until it is killed; "end" and "end-without-redis" use
 * everything, the latter with a Redis that dies under it, give it back, and have to end by themselves.
 */
export interface ProcessOptions {
  readonly part: "hold" | "end" | "end-without-redis";
  readonly redis: FindRedisOptions;
  readonly name: string;
  readonly lockMs: number;
  readonly stalledMs: number;
}

const options = JSON.parse(process.argv[2] ?? "") as ProcessOptions;
const { part, name, lockMs, stalledMs } = options;
const redis = await findRedis({ ...options.redis, onNotice: () => {} });
const queue = bullmqQueue({ connect: redis.connect, name, workerName: "child", pollMs: 20, lockMs, stalledMs });
const taken = await queue.take(new AbortController().signal);
process.stdout.write(`took ${taken?.job.chunk}\n`);
if (part !== "hold") {
  queue.onNudge(() => {});
  queue.onReconnect(() => {});
  await queue.nudge("b-0");
  if (part === "end-without-redis") await killServer(redis);
  else await taken?.handBack();
  // null when Redis is away: a fetch is under way then
  const again = await queue.take(AbortSignal.timeout(200));
  await queue.close();
  await redis.close();
  process.stdout.write(`closed ${again === null ? "without" : "with"} a lease\n`);
}
