import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** What outlives a process on this host and may be deleted: an unpacked Redis, finished rows that wait for the store. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homeFolder(), ".cache"), "assay");
}

/** Containers run under numbers that have no home. */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return tmpdir();
  }
}
