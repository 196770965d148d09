import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type ErrorCode, isAssayError } from "@assay/core";
import type { ObjectStore } from "@assay/store";

export async function rejects(work: Promise<unknown>, code: ErrorCode, what: string): Promise<void> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(isAssayError(error, code), `${what}: expected ${code}, got ${error === null ? "success" : String(error)}`);
}

export async function listed(
  store: ObjectStore,
  prefix: string,
  options: { after?: string; limit?: number; signal?: AbortSignal } = {},
): Promise<{ key: string; size: number }[]> {
  const found: { key: string; size: number }[] = [];
  for await (const { key, size } of store.list(prefix, options)) found.push({ key, size });
  return found;
}

export async function streamed(store: ObjectStore, key: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await store.read(key)) ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Compared as bytes: a Buffer and a Uint8Array of the same bytes are the same object. */
export function same(got: Uint8Array | null, expected: Uint8Array | undefined): void {
  assert.ok(got !== null && expected !== undefined, "there are no bytes");
  assert.equal(got.length, expected.length);
  assert.ok(Buffer.compare(got, expected) === 0, `other bytes, ${digest(got)} for ${digest(expected)}`);
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 8);
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes that no shift or cut leaves unchanged. */
export function fill(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) bytes[i] = i * 31 + (i >> 8) * 7 + seed;
  return bytes;
}
