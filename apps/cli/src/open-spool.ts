import { join } from "node:path";
import type { ObjectStore } from "@assay/store";
import { localStore, makeFolders } from "@assay/store/local";
import { note } from "./say.ts";
import { cacheFolder } from "./user-folders.ts";

/**
 * Where finished rows of a root wait for a store that is away, readable by this user alone, since they hold reasoning.
 * Null, saying so, where the host has no place for them.
 */
export async function openSpool(rootId: string): Promise<ObjectStore | null> {
  const folder = join(cacheFolder(), "spool", rootId);
  try {
    await makeFolders(folder, 0o700);
    return localStore(folder);
  } catch (error) {
    note(
      `finished rows have no place on this host while the store is away (${folder}: ${(error as { code?: string }).code}); XDG_CACHE_HOME names another`,
    );
    return null;
  }
}
