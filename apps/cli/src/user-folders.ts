import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** What outlives a process on this host and may be deleted: an unpacked Redis, finished rows that wait for the store. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homeFolder(), ".cache"), "assay");
}

/** What a person may want to read later: the output of work whose terminal is gone. */
export function stateFolder(): string {
  return join(process.env.XDG_STATE_HOME || join(homeFolder(), ".local", "state"), "assay");
}

/** Containers run under numbers that have no home. */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return tmpdir();
  }
}
