import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "@jest/globals";

/** An empty folder that is gone after the file's tests. */
export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "assay-e2e-"));
  afterAllFolders.push(folder);
  return folder;
}

const afterAllFolders: string[] = [];
afterAll(async () => {
  for (const folder of afterAllFolders.splice(0)) await rm(folder, { recursive: true, force: true });
});
