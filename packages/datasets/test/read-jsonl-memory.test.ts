import { createGunzip, type Gunzip, gzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { readJsonl } from "../src/read-jsonl.ts";
import { encode } from "./input-of.ts";

describe("read-jsonl: memory", () => {
  const part = encode(`{"x":"${"y".repeat(1_000)}"}\n`.repeat(64));
  const total = 200_000_000;

  /** Counts how far the source is ahead of what was handed on. */
  async function ahead(
    source: (given: (bytes: number) => void) => AsyncGenerator<Uint8Array>,
  ): Promise<{ most: number; read: number; records: number }> {
    let given = 0;
    let read = 0;
    let records = 0;
    let most = 0;
    const counted = source((bytes) => {
      given += bytes;
      most = Math.max(most, given - read);
    });
    for await (const batch of readJsonl(counted, { where: "a" })) {
      read += batch.bytes;
      records += batch.records.length;
    }
    return { most, read, records };
  }

  test("plain: 200 MB are asked for one read at a time", async () => {
    const { most, read, records } = await ahead(async function* (given) {
      for (let sent = 0; sent < total; sent += part.length) {
        given(part.length);
        yield part;
      }
    });
    expect(read).toBeGreaterThanOrEqual(total);
    expect(records).toBe((read / part.length) * 64);
    expect(most).toBeLessThanOrEqual(2 * part.length);
  });

  test("zipped: the source waits while what was unzipped is not taken, and no wait leaves a listener behind", async () => {
    // stored, not compressed: as many bytes in as out, so that ahead is what is held
    const zipped = gzipSync(Buffer.concat(Array.from({ length: 200 }, () => part)), { level: 0 });
    const writes = watchWrites();
    let listeners = 0;
    try {
      const { most, read } = await ahead(async function* (given) {
        for (let sent = 0; sent < zipped.length; sent += 16_384) {
          const bytes = zipped.subarray(sent, sent + 16_384);
          given(bytes.length);
          listeners = Math.max(listeners, writes.unzip()?.listenerCount("close") ?? 0);
          yield bytes;
        }
      });
      expect(read).toBe(200 * part.length);
      expect(most).toBeLessThan(1_000_000);
    } finally {
      writes.end();
    }
    expect(writes.count()).toBeGreaterThan(500);
    expect(listeners).toBeGreaterThan(0);
    expect(listeners).toBeLessThan(10);
  });

  test("an over-long line is not held: 200 MB of it are read on, and the next record is there", async () => {
    const endless = new Uint8Array(1_000_000).fill(0x78);
    const found: unknown[] = [];
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < total; sent += endless.length) yield endless;
      yield encode('\n{"a":1}\n');
    }
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for await (const batch of readJsonl(source(), { where: "a", maxLineBytes: 4_000_000 })) {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      for (const { line, offset, parsed } of batch.records)
        found.push([line, offset, parsed.ok ? parsed.value : parsed.bad]);
    }
    expect(found).toEqual([
      [1, 0, "line_too_long"],
      [2, total + 1, { a: 1 }],
    ]);
    expect(most).toBeLessThan(50_000_000);
  });
});

/** Sees who is written to. No spy of jest's, which keeps every buffer that it is given. */
function watchWrites(): { unzip(): Gunzip | null; count(): number; end(): void } {
  const prototype = Object.getPrototypeOf(createGunzip()) as { write?: Gunzip["write"] };
  let last: Gunzip | null = null;
  let count = 0;
  const inherited = prototype.write as (...given: unknown[]) => boolean;
  prototype.write = function write(this: Gunzip, ...given: unknown[]) {
    last = this;
    count += 1;
    return inherited.apply(this, given);
  } as Gunzip["write"];
  return {
    unzip: () => last,
    count: () => count,
    end: () => void delete prototype.write,
  };
}
