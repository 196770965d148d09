import type { ObjectStore } from "@assay/store";

export interface StoreOperation {
  readonly kind: "get" | "put" | "list" | "head" | "read" | "ranges" | "remove";
  readonly key: string;
  /** 1 for the first operation of this store */
  readonly n: number;
}

/**
 * What befalls an operation: an error before it took place, or after it did and before its answer came (of a list:
 * after the first entry). Anything else that a test throws plays a bug.
 */
export type Befalls = "before" | "after" | null;

/** A store whose operations fail as a test decides. `error` makes what is thrown. */
export function faultyStore(
  inner: ObjectStore,
  befalls: (operation: StoreOperation) => Befalls,
  error: (operation: StoreOperation) => unknown,
): ObjectStore & { readonly log: StoreOperation[] } {
  const log: StoreOperation[] = [];

  async function run<T>(kind: StoreOperation["kind"], key: string, work: () => Promise<T>): Promise<T> {
    const operation = { kind, key, n: log.length + 1 };
    log.push(operation);
    const fault = befalls(operation);
    if (fault === "before") throw error(operation);
    const result = await work();
    if (fault === "after") throw error(operation);
    return result;
  }

  return {
    uri: inner.uri,
    log,
    get: (key, options) => run("get", key, () => inner.get(key, options)),
    putIfAbsent: (key, bytes, options) => run("put", key, () => inner.putIfAbsent(key, bytes, options)),
    head: (key, options) => run("head", key, () => inner.head(key, options)),
    read: (key, options) => run("read", key, () => inner.read(key, options)),
    ranges: (key, options) => run("ranges", key, () => inner.ranges(key, options)),
    remove: (key, options) => run("remove", key, () => inner.remove(key, options)),
    async *list(prefix, options) {
      const operation = { kind: "list" as const, key: prefix, n: log.length + 1 };
      log.push(operation);
      const fault = befalls(operation);
      if (fault === "before") throw error(operation);
      for await (const info of inner.list(prefix, options)) {
        yield info;
        if (fault === "after") throw error(operation);
      }
      if (fault === "after") throw error(operation);
    },
  };
}

/** What a killed process sees: nothing of ours catches it, whatever it does to errors of the store. */
export const killed = Symbol("killed");

/** The store of a process that is killed at its k-th operation, before or after that took place: nothing follows. */
export function killedAt(inner: ObjectStore, k: number, when: "before" | "after"): ReturnType<typeof faultyStore> {
  return faultyStore(
    inner,
    ({ n }) => (n < k ? null : n === k ? when : "before"),
    () => killed,
  );
}
