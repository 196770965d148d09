/**
 * Who may import whom: the layers of ARCHITECTURE.md as rules. Each rule has a planted violation in
 * test/architecture/import-rules.test.ts, because a rule that matches nothing passes for ever.
 *
 * Paths are relative to the folder the tool is run in. The parser (swc; the tool knows no TypeScript 7) sees type-only
 * imports as imports: what hangs on that difference, or on globals, is held by test/architecture/source-rules.test.ts.
 */
const { existsSync, readdirSync, readFileSync } = require("node:fs");
const { join } = require("node:path");

/** The npm packages a package's src may import. Absent here = not restricted (testkit). */
const sdks = {
  core: ["zod"],
  datasets: ["csv-parse", "csv-stringify", "hyparquet", "hyparquet-compressors", "hyparquet-writer"],
  engine: ["openai", "undici"],
  store: ["@aws-sdk/[^/]+"],
  queue: ["bullmq", "ioredis"],
  simulator: [],
  scoring: ["zod"],
  evaluation: ["zod"],
};
const useCases = "scoring|evaluation";
const adapters = "datasets|engine|store|queue|simulator";

/** packages/x/src/y.ts for every entry of every package's "exports": the only files another package may reach. */
function frontDoors() {
  const folder = join(process.cwd(), "packages");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((name) => {
    const manifest = join(folder, name, "package.json");
    if (!existsSync(manifest)) return [];
    const entries = Object.values(JSON.parse(readFileSync(manifest, "utf8")).exports ?? {});
    return entries.map((entry) => `^packages/${name}/${literal(entry["@assay/source"].replace(/^\.\//, ""))}$`);
  });
}

function literal(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function oneSdk([name, allowed]) {
  return {
    name: `one-sdk-${name}`,
    comment: `packages/${name} may import of npm only: ${allowed.join(", ") || "nothing"}`,
    severity: "error",
    from: { path: `^packages/${name}/src/` },
    to: { path: "node_modules/", pathNot: `node_modules/(${allowed.join("|")})/` },
  };
}

module.exports = {
  forbidden: [
    {
      name: "no-circular",
      comment: "a step knows the steps below it, never the ones above",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "not-to-unresolvable",
      comment: "an import that does not resolve is checked by no other rule",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "core-is-pure",
      comment: "core imports itself, zod and node:crypto (createHash): no I/O, clock, chance, environment or logger",
      severity: "error",
      from: { path: "^packages/core/src/" },
      to: { pathNot: ["^packages/core/src/", "node_modules/zod/", "^(node:)?crypto$"] },
    },
    {
      name: "adapters-know-only-core",
      comment: "datasets, engine, store, queue and simulator never import each other or a use case",
      severity: "error",
      from: { path: `^packages/(${adapters})/src/` },
      to: { path: "^packages/", pathNot: ["^packages/core/", "^packages/$1/"] },
    },
    ...Object.entries(sdks).map(oneSdk),
    {
      name: "use-cases-know-only-ports",
      comment: "scoring and evaluation know core and the adapters' types, no other package",
      severity: "error",
      from: { path: `^packages/(${useCases})/src/` },
      to: { path: "^packages/", pathNot: ["^packages/(core|datasets|engine|store|queue)/", "^packages/$1/"] },
    },
    {
      name: "simulator-for-apps-and-tests",
      comment: "no package's src drives a simulated engine",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: "^packages/simulator/" },
      to: { path: "^packages/simulator/" },
    },
    {
      name: "src-without-testkit",
      comment: "what the product runs on holds no test tools",
      severity: "error",
      from: { path: "^(packages|apps)/[^/]+/src/", pathNot: "^packages/testkit/" },
      to: { path: ["^packages/testkit/", "^(packages|apps)/[^/]+/test/", "^test/"] },
    },
    {
      name: "packages-never-import-apps",
      comment: "apps are the outermost layer",
      severity: "error",
      from: { path: "^packages/" },
      to: { path: "^apps/" },
    },
    {
      name: "through-the-front-door",
      comment: "another package is entered by an entry of its package.json exports, never by a file inside",
      severity: "error",
      from: { path: "^packages/([^/]+)/" },
      to: { path: "^packages/[^/]+/", pathNot: ["^packages/$1/", ...frontDoors()] },
    },
    {
      name: "through-the-front-door-from-outside",
      comment: "the same for apps, tests and examples",
      severity: "error",
      from: { pathNot: "^packages/" },
      to: { path: "^packages/", pathNot: frontDoors() },
    },
    {
      name: "no-path-into-a-package",
      comment: "another package is imported by its name: a relative path hides the dependency from package.json",
      severity: "error",
      from: { path: "^(packages/[^/]+|apps/[^/]+|test|examples)/" },
      to: { path: "^(packages|apps)/", pathNot: "^$1/", dependencyTypes: ["local"] },
    },
    {
      name: "no-undeclared",
      comment: "what a package imports stands in its own package.json; its tests share the root's test tools",
      severity: "error",
      from: { path: "^(packages|apps)/[^/]+/src/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "no-undeclared-in-tests",
      comment: "the same outside src",
      severity: "error",
      from: { path: "^(packages|apps|test|examples)/", pathNot: "^(packages|apps)/[^/]+/src/" },
      to: {
        dependencyTypes: ["npm-no-pkg", "npm-unknown"],
        pathNot: "node_modules/(@jest/globals|@swc/core|fast-check)/",
      },
    },
    {
      name: "no-dev-dep-in-src",
      comment: "src runs where dev dependencies are not installed; testkit is one itself",
      severity: "error",
      from: { path: "^(packages|apps)/[^/]+/src/", pathNot: "^packages/testkit/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // Anchored: a bare "dist" would hide every npm package whose entry lies in a dist folder, and with it the rules on it.
    exclude: { path: "^(packages|apps)/[^/]+/dist/" },
    parser: "swc",
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@assay/source", "import", "node", "default"],
    },
  },
};
