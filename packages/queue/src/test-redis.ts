import { randomBytes } from "node:crypto";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { type FoundRedis, findRedis } from "./find-redis.ts";

/**
 * A real Redis for tests: `TEST_REDIS_URL` where it is set, else a private one of its own from the same finder that
 * the product uses. Rejects naming what to install when there is none: such tests are never skipped.
 */
export function testRedis(env: { readonly [name: string]: string | undefined }): Promise<FoundRedis> {
  return findRedis({
    url: env.TEST_REDIS_URL,
    rootId: randomBytes(8).toString("hex"),
    socketDir: join(tmpdir(), "assay-test"),
    cacheDir: join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "assay"),
    path: env.PATH ?? "",
    onNotice: () => {},
  });
}
