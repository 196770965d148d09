import { commandName, shellWord } from "./command-line.ts";

/** Verbs that do nothing without a root. */
export const rootVerbs = [
  ...["score", "submit", "worker", "status", "wait", "ls", "cancel", "pause", "resume", "retry", "failures"],
  ...["verify", "explain", "eval", "export", "gc"],
];

/** Verbs that can do without, or have one by themselves. */
export const rootlessVerbs = ["plan", "demo", "doctor", "bench", "sim"];

/** Up to where a sentence goes on; what commandLine made is preceded by a path or quoted, or has its root. */
const command = new RegExp(
  `(?<![\\w./'-])assay (--help|${[...rootVerbs, ...rootlessVerbs].join("|")})(?![\\w-])((?: [^\\s,;()]+)*)`,
  "g",
);

/**
 * A text that names commands as every package writes them, `assay verify a-0123`, for people to copy: each by a `name`
 * that works where they stand, and with the root that came by flag. ROOT stands for the root, however it came.
 */
export function copyableText(text: string, root: string | undefined, name = commandName()): string {
  return text.replace(command, (_, verb: string, rest: string) => {
    const line = `${shellWord(name)} ${verb}${rest}`;
    const named = root ?? process.env.ASSAY_ROOT;
    if (rest.endsWith(" --root ROOT"))
      return named === undefined ? line : line.replace(/ROOT$/, () => shellWord(named));
    if (root === undefined || !rootVerbs.includes(verb) || / --(root|help)\b/.test(rest)) return line;
    return `${line} --root ${shellWord(root)}`;
  });
}
