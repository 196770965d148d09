import { AssayError } from "@assay/core";
import { checkKey, checkPrefix, checkRange, checkRemovable, compareKeys, type ObjectStore } from "@assay/store";

/** Called before each operation: throw to make it fail, or change the store to play another process. */
export type StoreFault = (operation: "get" | "put" | "list" | "head" | "remove", key: string) => void | Promise<void>;

/** A store in memory with the contract of the real ones, for tests that need thousands of runs. */
export function memoryStore(fault: StoreFault = () => {}): ObjectStore & { readonly objects: Map<string, Uint8Array> } {
  const objects = new Map<string, Uint8Array>();
  const check = (signal?: AbortSignal): void => {
    if (signal?.aborted === true) throw new AssayError("E_ABORTED", "stopped");
  };
  const get: ObjectStore["get"] = async (key, options) => {
    checkKey(key);
    check(options?.signal);
    await fault("get", key);
    return objects.get(key)?.slice() ?? null;
  };
  return {
    uri: "memory:",
    objects,
    get,
    async putIfAbsent(key, bytes, options) {
      checkKey(key);
      check(options?.signal);
      await fault("put", key);
      if (objects.has(key)) return "exists";
      objects.set(key, bytes.slice());
      return "created";
    },
    async *list(prefix, options) {
      checkPrefix(prefix);
      check(options?.signal);
      await fault("list", prefix);
      let left = options?.limit ?? Number.POSITIVE_INFINITY;
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
      for (const key of keys) {
        check(options?.signal);
        if (options?.after !== undefined && compareKeys(key, options.after) <= 0) continue;
        if (left-- <= 0) return;
        yield { key, size: objects.get(key)?.length ?? 0 };
      }
    },
    async head(key, options) {
      checkKey(key);
      check(options?.signal);
      await fault("head", key);
      const found = objects.get(key);
      return found === undefined ? null : { size: found.length };
    },
    async read(key, options) {
      const bytes = await get(key, options);
      return bytes === null ? null : one(bytes);
    },
    async ranges(key, options) {
      const bytes = await get(key, options);
      if (bytes === null) return null;
      return {
        size: bytes.length,
        async read(from, to) {
          check(options?.signal);
          checkRange(key, bytes.length, from, to);
          return bytes.slice(from, to);
        },
        close: async () => {},
      };
    },
    async remove(key, options) {
      checkRemovable(key);
      check(options?.signal);
      await fault("remove", key);
      objects.delete(key);
    },
  };
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
