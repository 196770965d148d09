import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { InputSource } from "@assay/scoring";

/** Writes a file below a folder, and the folders above it; its path. It holds its name unless a text is given. */
export async function put(folder: string, name: string, text = name): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

/** All that an input holds; "" of none. */
export async function textOf(source: InputSource | undefined): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of (await source?.open()) ?? []) parts.push(part);
  return Buffer.concat(parts).toString();
}
