/** A rule on the text of source files, for what the import rules cannot see: globals, type-only imports, calls. */
export interface SourceRule {
  readonly name: string;
  /** repository-relative path, "/" between parts */
  applies(path: string): boolean;
  /** what breaks the rule in one file's text without its comments; empty = clean */
  breaches(text: string, path: string): readonly string[];
}

const inCore = /^packages\/core\/src\//;
const inPackages = /^packages\/[^/]+\/src\//;
const inUseCases = /^packages\/(scoring|evaluation)\/src\//;
const inProduct = /^(packages|apps)\/[^/]+\/src\//;
const inTestkit = /^packages\/testkit\//;
const inStore = /^packages\/store\/src\//;

/**
 * Files outside the store that may remove or replace files, and whose they are. None of them is handed a key of a
 * root: P2 (a committed result never changes or vanishes) hangs on this list staying short.
 */
const ownFiles = new Set([
  // the private Redis: its cache folder, lock and socket
  "packages/queue/src/find-redis.ts",
  "packages/queue/src/unpack-redis.ts",
  // what was spooled from stdin
  "apps/cli/src/open-inputs.ts",
  // what a stopped export left of a data set folder, named by its marker
  "apps/cli/src/claim-folder.ts",
  // an export, written beside its name until it is whole
  "apps/cli/src/write-once.ts",
]);

/** Who may remove objects, below partial/ of chunks whose shard exists: the store itself refuses every other key. */
const removers = new Set(["packages/scoring/src/collect-garbage.ts"]);

export const sourceRules: readonly SourceRule[] = [
  {
    name: "core has no clock, chance, environment, timer, logger or network",
    applies: (path) => inCore.test(path),
    breaches: (text) =>
      matches(
        text,
        /\bDate\.now\b|\bnew Date\(\s*\)|(?<![.\w])Date\(\s*\)|\bMath\.random\b|(?<![.\w])(?:process|console|performance|globalThis|fetch|crypto)\b(?=[.([])|(?<![.\w])(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
      ),
  },
  {
    name: "core takes createHash from node:crypto and nothing else",
    applies: (path) => inCore.test(path),
    breaches: (text) =>
      importsOf(text)
        .filter(({ from, names }) => /^(node:)?crypto$/.test(from) && names !== "{ createHash }")
        .map(({ names }) => names),
  },
  {
    name: "only apps read the environment and the arguments",
    applies: (path) => inPackages.test(path) && !inTestkit.test(path),
    breaches: (text) => [
      ...matches(text, /\bprocess\s*\??\.\s*(?:env|argv)\b|\bprocess\[/g),
      ...importsOf(text)
        .filter(({ from, names }) => /^(node:)?process$/.test(from) && /\b(env|argv)\b|^\w|\*/.test(names))
        .map(({ names }) => names),
    ],
  },
  {
    name: "the use cases import types of the adapters, never code",
    applies: (path) => inUseCases.test(path),
    breaches: (text) =>
      importsOf(text)
        .filter(({ from, typeOnly }) => /^@assay\/(datasets|engine|store|queue)(\/|$)/.test(from) && !typeOnly)
        .map(({ from }) => from),
  },
  {
    name: "index files name what they export",
    applies: (path) => inPackages.test(path) && path.endsWith("/src/index.ts"),
    breaches: (text) => matches(text, /export\s+(?:type\s+)?\*/g),
  },
  {
    name: "only the store writes or deletes objects",
    applies: (path) => inProduct.test(path) && !inStore.test(path) && !inTestkit.test(path),
    breaches: (text) => matches(text, /\b(?:Put|Copy|Delete)Objects?Command\b|\b\w*MultipartUpload\w*\b/g),
  },
  {
    name: "the store never replaces: no rename, no copy, no multipart, every put carries IfNoneMatch",
    applies: (path) => inStore.test(path),
    breaches: (text) => [
      ...matches(text, /\b(?:rename|renameSync|copyFile|copyFileSync|cp|cpSync|CopyObjectCommand)\b(?=\s*[(,}])/g),
      // what others left may be listed and ended; parts of our own would get round the condition
      ...matches(text, /\b(?!(?:List|Abort)MultipartUploads?(?:Command)?\b)\w*MultipartUpload\w*\b|\bUploadPart\w*\b/g),
      ...(/new PutObjectCommand\b/.test(text) && !/\bIfNoneMatch: "\*"/.test(text) ? ["put without IfNoneMatch"] : []),
      ...(/new DeleteObjectCommand\b|\b(?:unlink|rm)\(pathOf\(key\)/.test(text) && !/\bcheckRemovable\(key\)/.test(text)
        ? ["removal without checkRemovable"]
        : []),
    ],
  },
  {
    name: "objects are removed by the garbage collection alone",
    applies: (path) => inProduct.test(path) && !inStore.test(path) && !inTestkit.test(path) && !removers.has(path),
    breaches: (text) => matches(text, /\bstore\s*\.\s*remove\b/g),
  },
  {
    name: "no other code removes or renames files",
    applies: (path) => inProduct.test(path) && !inStore.test(path) && !inTestkit.test(path) && !ownFiles.has(path),
    breaches: (text) =>
      importsOf(text)
        .filter(({ from, typeOnly }) => !typeOnly && /^(node:)?fs(\/promises)?$/.test(from))
        .flatMap(({ names }) => [
          ...matches(names, /\b(?:rm|rmdir|unlink|truncate|ftruncate|rename|cp|copyFile)(?:Sync)?\b/g),
          // a whole-module import hides which calls are made
          ...(names.startsWith("{") ? [] : [names]),
        ]),
  },
];

/** Every `import ... from` and `export ... from` of a text; `names` is what stands between, white space folded. */
export function importsOf(text: string): { from: string; names: string; typeOnly: boolean }[] {
  const found = text.matchAll(/^\s*(?:import|export)\s+(?:([^"';]*?)\s*from\s*)?["']([^"']+)["']/gm);
  const dynamic = text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g);
  return [
    ...[...found].map((match) => {
      const names = (match[1] ?? "").replace(/\s+/g, " ").trim();
      const listed = /^\{(.*)\}$/
        .exec(names)?.[1]
        ?.split(",")
        .map((name) => name.trim());
      const everyType = listed?.filter((name) => name !== "").every((name) => name.startsWith("type ")) ?? false;
      return { from: match[2]!, names, typeOnly: names.startsWith("type ") || everyType };
    }),
    ...[...dynamic].map((match) => ({ from: match[1]!, names: "import()", typeOnly: false })),
  ];
}

/** Comments speak about clocks and deletions freely. Only whole-line comments go: `//` also stands in URLs. */
export function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, "").replace(/^\s*\/\/.*$/gm, "");
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[0]);
}
