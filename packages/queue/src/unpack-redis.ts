import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What redis-server needs beyond a slim Debian or Ubuntu; the server itself is a name for redis-check-rdb. */
const packages = ["redis-tools", "libjemalloc2", "liblzf1", "libatomic1"] as const;

/**
 * Debian's or Ubuntu's redis-server, unpacked into a cache folder without root: apt-get download and dpkg -x, about a
 * second and 1.3 MB. null where there is no apt-get, no package, no network or no place for it. Safe for several processes at once: the
 * folder appears under its name only when it is whole.
 */
export async function unpackRedis(options: {
  cacheDir: string;
  path: string;
  onNotice: (text: string) => void;
}): Promise<{ command: string; env: { [name: string]: string } } | null> {
  const home = join(options.cacheDir, `redis-${process.arch}`);
  // dpkg and ldd call others by name
  const env = { PATH: options.path === "" ? "/usr/bin:/bin" : options.path, LC_ALL: "C" };
  if (!existsSync(join(home, "redis-server"))) {
    options.onNotice(
      "no redis-server on PATH: unpacking the system's package into the cache folder (once, without root)",
    );
    let work: string | null = null;
    try {
      await mkdir(options.cacheDir, { recursive: true });
      work = await mkdtemp(join(options.cacheDir, "unpack-"));
      if (!(await unpackInto(work, env))) return null;
      await rename(join(work, "root"), home).catch(async (error: NodeJS.ErrnoException) => {
        // another process was first; an unfinished folder cannot stand there
        if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      });
    } catch {
      return null;
    } finally {
      if (work !== null) await rm(work, { recursive: true, force: true });
    }
  }
  return {
    command: join(home, "redis-server"),
    env: { ...env, LD_LIBRARY_PATH: (await libraryFolders(home)).join(":") },
  };
}

async function unpackInto(work: string, env: { PATH: string; LC_ALL: string }): Promise<boolean> {
  const root = join(work, "root");
  const debs = join(work, "debs");
  await mkdir(root);
  await mkdir(debs);
  const lists = await ownLists(work, env);
  await fetchAndUnpack([...packages], debs, root, lists, env);
  await symlink(join("usr", "bin", "redis-check-rdb"), join(root, "redis-server"));
  const missing = await missingLibraries(root, env);
  if (missing.length > 0) await fetchAndUnpack(missing, debs, root, lists, env);
  const { stdout } = await run(join(root, "redis-server"), ["--version"], {
    env: { ...env, LD_LIBRARY_PATH: (await libraryFolders(root)).join(":") },
  });
  return /v=\d/.test(stdout);
}

/** apt flags: the system's package lists where they know redis-tools, else lists of our own, fetched as any user. */
async function ownLists(work: string, env: { PATH: string; LC_ALL: string }): Promise<string[]> {
  const known = await run("apt-cache", ["policy", "redis-tools"], { env }).then(
    ({ stdout }) => /Candidate: \d/.test(stdout),
    () => false,
  );
  if (known) return [];
  const state = join(work, "apt");
  await mkdir(join(state, "state", "lists", "partial"), { recursive: true });
  await mkdir(join(state, "cache", "archives", "partial"), { recursive: true });
  const flags = [
    ["Dir::State", join(state, "state")],
    ["Dir::State::status", "/var/lib/dpkg/status"],
    ["Dir::Cache", join(state, "cache")],
    ["Debug::NoLocking", "1"],
    ["APT::Sandbox::User", ""],
  ].flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  await run("apt-get", [...flags, "update"], { env, timeout: 120_000 });
  return flags;
}

async function fetchAndUnpack(
  names: readonly string[],
  debs: string,
  root: string,
  lists: readonly string[],
  env: { PATH: string; LC_ALL: string },
): Promise<void> {
  await run("apt-get", [...lists, "download", ...names], { cwd: debs, env, timeout: 120_000 });
  for (const deb of await readdir(debs)) await run("dpkg", ["-x", join(debs, deb), root], { env });
}

/** Packages of shared libraries that slim images lack. */
const libraryPackages: { readonly [soname: string]: string } = {
  "libssl.so.3": "libssl3",
  "libcrypto.so.3": "libssl3",
  "libsystemd.so.0": "libsystemd0",
  "libstdc++.so.6": "libstdc++6",
  "libgcc_s.so.1": "libgcc-s1",
  "libcap.so.2": "libcap2",
  "libgcrypt.so.20": "libgcrypt20",
  "liblz4.so.1": "liblz4-1",
  "libzstd.so.1": "libzstd1",
  "liblzma.so.5": "liblzma5",
  "libgpg-error.so.0": "libgpg-error0",
  "liblua5.1.so.0": "liblua5.1-0",
  "libhiredis.so.0.14": "libhiredis0.14",
};

async function missingLibraries(root: string, env: { PATH: string; LC_ALL: string }): Promise<string[]> {
  const { stdout } = await run("ldd", [join(root, "usr", "bin", "redis-check-rdb")], {
    env: { ...env, LD_LIBRARY_PATH: (await libraryFolders(root)).join(":") },
  });
  const lacking = [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map(([, soname]) => libraryPackages[soname ?? ""]);
  return [...new Set(lacking.filter((name) => name !== undefined))];
}

async function libraryFolders(root: string): Promise<string[]> {
  const folders = await Promise.all(
    [join(root, "usr", "lib"), join(root, "lib")].map(async (lib) => {
      const entries = await readdir(lib, { withFileTypes: true }).catch(() => []);
      return entries
        .filter((entry) => entry.isDirectory() && entry.name.includes("-linux-"))
        .map((entry) => join(lib, entry.name));
    }),
  );
  return folders.flat();
}
