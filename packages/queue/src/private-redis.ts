export {
  type FindRedisOptions,
  type FoundRedis,
  findRedis,
  findServer as findRedisServer,
  type RedisServer,
} from "./find-redis.ts";
export { testRedis } from "./test-redis.ts";
