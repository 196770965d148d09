import { createInterface } from "node:readline";
import { localStore } from "../src/local.ts";

/**
 * A process that races others: `put-keys.ts DIR NAME BYTES`. Says "ready", then for each key that comes in on stdin
 * puts BYTES times its NAME and says "KEY created" or "KEY exists".
 */
const [directory = "", name = "", length = "0"] = process.argv.slice(2);
const store = localStore(directory);
const bytes = Buffer.alloc(Number(length), name);

process.stdout.write("ready\n");
for await (const key of createInterface({ input: process.stdin })) {
  process.stdout.write(`${key} ${await store.putIfAbsent(key, bytes)}\n`);
}
