import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { AssayError } from "@assay/core";
import { makeFolders } from "@assay/store/local";
import { writeError } from "./write-once.ts";

/** Stands in a folder as long as an export into it is not whole; loaders of data sets look at no such name. */
const markerName = ".assay-unfinished";

/**
 * Takes a folder for a data set of which this process writes every file: README.md and data/train-NNNNN.parquet. What
 * an export that was stopped or killed left of them is removed, since its marker says that they are an export's own and
 * that nobody has seen them whole. Throws E_USAGE where the folder holds such files without a marker, and where the
 * process of the marker may still run. The caller calls `release` when all files are written.
 */
export async function claimFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const marker = join(folder, markerName);
  const data = join(folder, "data");
  await makeFolders(data).catch((cause: unknown) => {
    throw new AssayError("E_USAGE", "this folder cannot be made", { where: folder, cause });
  });
  const files = [...(await ownFiles(folder, /^README\.md/)), ...(await ownFiles(data, /^train-\d{5}\.parquet/))];
  const owner = await readFile(marker, "utf8").catch(() => null);
  if (owner === null) await refuseWritten(folder, files);
  else {
    refuseRunning(folder, owner);
    for (const file of files) await rm(file, { force: true });
  }
  await mark(marker, owner === null);
  return { release: () => rm(marker, { force: true }) };
}

/** Of two that find no marker one makes it. A marker that holds no name, as on a full disk, would lock the folder. */
async function mark(marker: string, isFirst: boolean): Promise<void> {
  try {
    await writeFile(marker, ownName(), { flag: isFirst ? "wx" : "w" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new AssayError("E_USAGE", "another export is writing into this folder", {
        where: dirname(marker),
        next: "choose another folder, or wait for it",
      });
    await rm(marker, { force: true }).catch(() => {});
    throw writeError(error, marker);
  }
}

/** Files of these names in a folder, and what stood beside them while they were written. */
async function ownFiles(folder: string, names: RegExp): Promise<string[]> {
  const own = new RegExp(`${names.source}(\\.[0-9a-f]{8}\\.part)?$`);
  return (await readdir(folder)).filter((name) => own.test(name)).map((name) => join(folder, name));
}

/** An empty file is nobody's work. */
async function refuseWritten(folder: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const found = await stat(file).catch(() => null);
    if (found === null || found.size === 0) continue;
    throw new AssayError("E_USAGE", "a data set exists already in this folder, and nothing was overwritten", {
      where: file,
      next: `choose another folder, or remove ${folder}`,
    });
  }
}

/** Whether a process of another host runs nobody can tell from here. */
function refuseRunning(folder: string, owner: string): void {
  const [host, pid] = owner.split("\n");
  if (host === hostname() && !isRunning(Number(pid))) return;
  throw new AssayError("E_USAGE", "another export is writing into this folder", {
    where: folder,
    got: `process ${pid} on ${host}`,
    next: `wait for it; if it is gone, remove ${folder}`,
  });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function ownName(): string {
  return `${hostname()}\n${process.pid}\n`;
}
