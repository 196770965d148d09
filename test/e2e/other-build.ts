import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A second build of Assay: what was built here, copied, with another version in its package.json or another format
 * number in its core. Its own packages are the copies, everybody else's are those of this repository. Returns the path
 * of its command.
 */
export async function otherBuild(
  folder: string,
  change: { readonly version?: string; readonly format?: number },
): Promise<string> {
  const modules = join(folder, "node_modules");
  await mkdir(join(modules, "@assay"), { recursive: true });
  for (const name of await readdir(join(repository, "node_modules")))
    if (name !== "@assay") await symlink(join(repository, "node_modules", name), join(modules, name));
  for (const name of await readdir(join(repository, "packages"))) {
    const copy = await copyBuilt(join("packages", name), folder);
    await symlink(copy, join(modules, "@assay", name));
  }
  const cli = await copyBuilt(join("apps", "cli"), folder);
  if (change.version !== undefined)
    await edit(join(cli, "package.json"), /"version": "[^"]+"/, `"version": "${change.version}"`);
  if (change.format !== undefined)
    await edit(
      join(folder, "packages", "core", "dist", "batch-file.js"),
      /formatVersion = \d+/,
      `formatVersion = ${change.format}`,
    );
  return join(cli, "dist", "main.js");
}

async function copyBuilt(path: string, folder: string): Promise<string> {
  const copy = join(folder, path);
  for (const part of ["package.json", "dist"])
    await cp(join(repository, path, part), join(copy, part), { recursive: true });
  return copy;
}

async function edit(path: string, from: RegExp, to: string): Promise<void> {
  const text = await readFile(path, "utf8");
  if (!from.test(text)) throw new Error(`${path} holds no ${from}`);
  await writeFile(path, text.replace(from, to));
}
