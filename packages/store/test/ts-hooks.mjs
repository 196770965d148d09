// Lets a child process run the packages' TypeScript as it lies there, without a build: `node --import` of
// run-ts.mjs. Node 20 strips no types by itself.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transform } from "@swc/core";

export async function load(url, context, nextLoad) {
  if (!url.endsWith(".ts")) return nextLoad(url, context);
  const source = await readFile(fileURLToPath(url), "utf8");
  const jsc = { target: "es2022", parser: { syntax: "typescript" } };
  const { code } = await transform(source, { jsc, module: { type: "es6" }, swcrc: false });
  return { format: "module", source: code, shortCircuit: true };
}
