import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const library = "libfaketimeMT.so.1";

/** The library that lets a process's clock jump: the system's, or its package unpacked without root; null = none. */
export async function findFaketime(): Promise<string | null> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "assay");
  const home = join(cache, `faketime-${process.arch}`);
  const known = findIn("/usr/lib") ?? findIn(join(home, "usr", "lib"));
  if (known !== null) return known;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "unpack-"));
  try {
    await run("apt-get", ["download", "libfaketime"], { cwd: work, timeout: 60_000 });
    for (const deb of await readdir(work)) await run("dpkg", ["-x", join(work, deb), join(work, "root")]);
    await rename(join(work, "root"), home);
  } catch {
    return null;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return findIn(join(home, "usr", "lib"));
}

function findIn(lib: string): string | null {
  if (!existsSync(lib)) return null;
  const paths = readdirSync(lib)
    .filter((name) => name.includes("-linux-"))
    .map((name) => join(lib, name, "faketime", library));
  return paths.find((path) => existsSync(path)) ?? null;
}
