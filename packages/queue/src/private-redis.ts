export {
  type FindRedisOptions,
  type FoundRedis,
  findRedis,
  findServer as findRedisServer,
} from "./find-redis.ts";
export { testRedis } from "./test-redis.ts";
