import { createHash } from "node:crypto";
import { createKeyTable } from "@assay/scoring";

/**
 * How long a worker needs to know N row_keys, and what that holds of memory: `npm run bench test/bench/reuse.bench.ts
 * 10000000`. The shards' decoding is left out: it is the reader's, and goes on beside the engine's probe.
 */
const count = Number(process.argv[2] ?? 10_000_000);
const keyOf = (n: number): string => createHash("sha256").update(String(n)).digest("hex");

const before = process.memoryUsage();
let started = performance.now();
let hashing = 0;
const table = createKeyTable(count);
for (let n = 0; n < count; n += 1) {
  const at = performance.now();
  const key = keyOf(n);
  hashing += performance.now() - at;
  table.add(key, { shard: n >>> 8, row: n & 255 });
}
const adding = performance.now() - started - hashing;
started = performance.now();
let found = 0;
for (let n = 0; n < 1_000_000; n += 1) if (table.find(keyOf(n * 2)) !== null) found += 1;
const finding = performance.now() - started;
const after = process.memoryUsage();
console.log(`${table.size} keys added in ${(adding / 1_000).toFixed(1)} s (hashing apart)`);
console.log(`1000000 looked for in ${(finding / 1_000).toFixed(1)} s (hashing included), ${found} found`);
console.log(`memory: ${((after.arrayBuffers - before.arrayBuffers) / 2 ** 20).toFixed(0)} MiB`);
