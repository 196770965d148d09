import { isAssayError } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import fc from "fast-check";

/** One call on a store, as data, so that a failing sequence can be printed and shrunk. */
export type Operation =
  | { readonly call: "put"; readonly key: string; readonly bytes: Uint8Array }
  | { readonly call: "get" | "read" | "head" | "remove"; readonly key: string }
  | { readonly call: "list"; readonly prefix: string; readonly after?: string; readonly limit?: number };

/** Names of folders and of objects share none: a directory cannot hold both under one name. */
const folder = fc.constantFrom("b", "b-1", "b.1", "partial", "_tmp2", "é", "\uffee", "😀");
const leaf = fc.constantFrom("x.json", "x", "x y", "x%2Fy", "x+", "_SUCCESS", "ü", "\uffef", "😁");
const key = fc.tuple(fc.array(folder, { maxLength: 3 }), leaf).map(([folders, name]) => [...folders, name].join("/"));
/** Beginnings of keys, cut anywhere but inside a letter. */
const start = fc.tuple(key, fc.nat(12)).map(([whole, length]) => [...whole].slice(0, length).join(""));

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ call: fc.constant("put" as const), key, bytes: fc.uint8Array({ maxLength: 40 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      call: fc.constantFrom("get" as const, "read" as const, "head" as const, "remove" as const),
      key,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { call: fc.constant("list" as const), prefix: start, after: start, limit: fc.nat(6) },
      { requiredKeys: ["call", "prefix"] },
    ),
  },
);

/** What a call says, in a form that compares: bytes as hex, errors by code. */
export async function outcome(store: ObjectStore, operation: Operation): Promise<unknown> {
  try {
    switch (operation.call) {
      case "put":
        return await store.putIfAbsent(operation.key, operation.bytes);
      case "get":
        return hex(await store.get(operation.key));
      case "head":
        return await store.head(operation.key);
      case "remove":
        return (await store.remove(operation.key)) ?? "removed";
      case "read": {
        const chunks = await store.read(operation.key);
        return chunks === null ? null : hex(await collect(chunks));
      }
      case "list":
        // when an object was put is no part of the contract
        return (await collect(store.list(operation.prefix, operation))).map(({ key, size }) => ({ key, size }));
    }
  } catch (error) {
    if (isAssayError(error)) return error.code;
    throw error;
  }
}

function hex(bytes: Uint8Array | Uint8Array[] | null): string | null {
  return bytes === null ? null : Buffer.concat([bytes].flat()).toString("hex");
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
