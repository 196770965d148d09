import { AssayError, layoutVersion, rootKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { z } from "zod";

const rootSchema = z.strictObject({ layout: z.int(), id: z.string().regex(/^[0-9a-f]{16}$/) });

/**
 * The random id of a root, made at its first use by a writer. Two processes that reach the same root by different
 * paths (a mount and a bucket) agree on it, and two roots on one Redis never meet. Idempotent under races.
 */
export async function openRoot(store: ObjectStore, random: () => string): Promise<string> {
  const found = await readRootId(store);
  if (found !== null) return found;
  const made = JSON.stringify({ layout: layoutVersion, id: random() });
  await store.putIfAbsent(rootKey, new TextEncoder().encode(made));
  const id = await readRootId(store);
  if (id === null) throw new AssayError("E_BROKEN", `${rootKey} vanished after it was written`, { where: store.uri });
  return id;
}

/** The id of a root that exists, else null. For readers, which never make one. */
export async function readRootId(store: ObjectStore): Promise<string | null> {
  const bytes = await store.get(rootKey);
  if (bytes === null) return null;
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new AssayError("E_BROKEN", `${rootKey} is not JSON`, { where: store.uri, cause });
  }
  // before the rest: another layout may have other fields
  const layout = (raw as { layout?: unknown } | null)?.layout;
  if (typeof layout === "number" && layout !== layoutVersion) {
    throw new AssayError("E_USAGE", "this root was made by another generation of Assay", {
      where: store.uri,
      expected: `layout ${layoutVersion}`,
      got: `layout ${layout}`,
      next: "use the version of Assay that made it, or another root",
    });
  }
  const root = rootSchema.safeParse(raw);
  if (!root.success)
    throw new AssayError("E_BROKEN", `${rootKey} is not one of ours`, { where: store.uri, cause: root.error });
  return root.data.id;
}
