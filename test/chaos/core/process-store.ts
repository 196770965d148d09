import { AssayError } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import type { Fate, Faulty } from "./befall.ts";
import type { VirtualProcess, VirtualWorld } from "./virtual-world.ts";

/** A try of the store's own clients, with its retries, until it says that the store is away. */
const givesUpMs = 10_000;

export interface StoreOperation {
  readonly kind: "get" | "put" | "list" | "head" | "read" | "ranges" | "remove";
  readonly key: string;
  /** of a put */
  readonly bytes?: Uint8Array;
}

/**
 * The store as one process sees it: the same objects for all, and for each operation the time it takes and what befalls
 * it. `done` hears of what took place, in the order in which it did, whether the process ever learns of it or not;
 * `learnt` of what the process was told.
 */
export function processStore(
  inner: ObjectStore,
  at: { world: VirtualWorld; process: VirtualProcess; faults: Faulty },
  hear: {
    done: (operation: StoreOperation, result: unknown) => void;
    learnt: (operation: StoreOperation, result: unknown) => void;
    die: () => void;
  },
): ObjectStore {
  const { world, process, faults } = at;

  function away(operation: StoreOperation): AssayError {
    return new AssayError("E_STORE_UNAVAILABLE", "the store of this night is away", { where: operation.key });
  }

  async function run<T>(operation: StoreOperation, work: () => Promise<T>): Promise<T> {
    const { diesAfter } = faults.note(process);
    const fate = faults.fateAtStore();
    const take = async (): Promise<T> => {
      const result = await work();
      hear.done(operation, result);
      if (diesAfter) hear.die();
      return result;
    };
    const result = await (fate === null ? process.operate(usualMs(), take) : befallen(operation, fate, take));
    hear.learnt(operation, result);
    return result;
  }

  /** 5 to 50 ms, as a bucket takes; now and then ten times that. */
  function usualMs(): number {
    return world.between(5, 50) * (world.random() < 0.05 ? 10 : 1);
  }

  async function befallen<T>(operation: StoreOperation, { kind, ms }: NonNullable<Fate>, take: () => Promise<T>) {
    switch (kind) {
      case "store-loses-reply":
        await process.operate(usualMs(), take);
        return process.operate<T>(givesUpMs, () => Promise.reject(away(operation)));
      case "store-lands-late":
        world.after(givesUpMs + ms, take);
        return process.operate<T>(givesUpMs, () => Promise.reject(away(operation)));
      case "store-slow":
        // longer than a client waits would be an error
        return process.operate(Math.min(ms, givesUpMs), take);
      default:
        return process.operate<T>(world.between(100, givesUpMs), () => Promise.reject(away(operation)));
    }
  }

  return {
    uri: inner.uri,
    get: (key, options) => run({ kind: "get", key }, () => inner.get(key, options)),
    putIfAbsent: (key, bytes, options) =>
      run({ kind: "put", key, bytes }, () => inner.putIfAbsent(key, bytes, options)),
    head: (key, options) => run({ kind: "head", key }, () => inner.head(key, options)),
    read: (key, options) => run({ kind: "read", key }, () => inner.read(key, options)),
    ranges: (key, options) => run({ kind: "ranges", key }, () => inner.ranges(key, options)),
    remove: (key, options) => run({ kind: "remove", key }, () => inner.remove(key, options)),
    // one page: what was there when it was read
    async *list(prefix, options) {
      yield* await run({ kind: "list", key: prefix }, async () => {
        const found = [];
        for await (const info of inner.list(prefix, options)) found.push(info);
        return found;
      });
    },
  };
}
