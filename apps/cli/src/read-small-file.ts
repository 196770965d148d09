import { createReadStream } from "node:fs";

/** What people write by hand, and profiles with every token id of a vocabulary, are far below. */
const mostBytes = 16 * 1024 * 1024;

/** The text of a file or pipe. Rejects with the system's errors, EFBIG where it goes on beyond 16 MB as /dev/zero does. */
export async function readSmallFile(path: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of createReadStream(path) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > mostBytes) throw Object.assign(new Error(`more than ${mostBytes} bytes`), { code: "EFBIG" });
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
