export { type FindRedisOptions, type FoundRedis, findRedis } from "./find-redis.ts";
export { testRedis } from "./test-redis.ts";
