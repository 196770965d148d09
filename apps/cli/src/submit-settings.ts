import {
  AssayError,
  chunkOrders,
  keepReasoningModes,
  mostSamples,
  type Profile,
  type Recipe,
  readWays,
  setProfile,
  specialsModes,
  stripModes,
  type UserColumn,
  userColumnTypes,
} from "@assay/core";
import type { Importer } from "@assay/datasets";
import type { SubmitSettings } from "@assay/scoring";
import type { ChosenModel } from "./choose-profile.ts";
import type { PlanFlags } from "./flags.ts";

/** Fields of a record that `--map` may give another name. */
const mappable = ["id", "group", "prompt", "messages", "response", "responses", "principle", "principles"] as const;

/** The flags of score, submit and plan as the settings of a batch. Pure. Throws E_USAGE or E_PROFILE. */
export function submitSettings(
  flags: PlanFlags,
  chosen: ChosenModel,
  made: { readable: string; software: string; createdAt: string; importer: Importer; recipe?: Recipe | null },
): SubmitSettings {
  const { importer } = made;
  if (flags.recipe !== undefined && flags.principle.length > 0)
    throw new AssayError("E_USAGE", "--recipe and --principle both choose the principles", {
      got: `--recipe ${flags.recipe}`,
    });
  const profile = insistedProfile(setProfile(chosen.profile, pairs("--set", "key=value", flags.set)), flags.read);
  const columns = allColumns(importer, readColumns(flags.carry));
  return {
    records: {
      roles: profile.messages.roles,
      principles: flags.principle.map(readPrinciple),
      recipe: made.recipe ?? null,
      map: importer.map ?? readMap(flags.map),
      columns,
      carryAll: flags.carryAll === true,
    },
    limit: flags.limit ?? null,
    ...readSample(flags),
    batch: {
      model: chosen.model,
      revision: chosen.revision,
      profile,
      strip: oneOf(
        "--strip-reasoning",
        stripModes,
        flags.stripReasoning ?? (importer.labelled === true ? "off" : "auto"),
      ),
      specials: oneOf("--specials", specialsModes, flags.specials),
      samples: readSamples(flags, profile),
      seed: flags.seed ?? null,
      columns,
      reuse: [...flags.reuse],
    },
    readable: flags.name ?? made.readable,
    name: flags.name ?? null,
    tags: Object.fromEntries(pairs("--tag", "k=v", flags.tag)),
    keepReasoning: oneOf("--keep-reasoning", keepReasoningModes, flags.keepReasoning),
    maxBad: flags.maxBad,
    maxFailed: flags.maxFailed,
    order: oneOf("--order", chunkOrders, flags.order ?? "mixed"),
    software: made.software,
    createdAt: made.createdAt,
  };
}

/** The format's columns, then the user's. */
function allColumns({ name, columns }: Importer, carried: readonly UserColumn[]): UserColumn[] {
  const twice = carried.find((column) => columns.some((known) => known.name === column.name));
  if (twice === undefined) return [...columns, ...carried];
  throw new AssayError("E_USAGE", `the format ${name} makes the column ${twice.name} by itself`, {
    got: `--carry ${twice.name}`,
  });
}

function readSample({ sample, limit, seed }: PlanFlags): Pick<SubmitSettings, "sample"> {
  if (sample === undefined) return {};
  if (limit !== undefined)
    throw new AssayError("E_USAGE", "--limit and --sample both choose the records", { got: `--limit ${limit}` });
  return { sample: { size: sample, seed: seed ?? 0 } };
}

/** `--read` says what `--set read=` says. Throws E_USAGE where they say two things, or no way there is. */
export function insistedProfile(profile: Profile, read: string | undefined): Profile {
  if (read === undefined) return profile;
  const way = oneOf("--read", readWays, read);
  if (profile.verdict.insist === true && profile.verdict.read !== way) {
    throw new AssayError("E_USAGE", "two ways of reading are insisted on", {
      expected: "one of them",
      got: `--read ${way}, and ${profile.verdict.read} by --set or the profile`,
    });
  }
  return setProfile(profile, new Map([["read", way]]));
}

/** `key=value` texts; the value may hold further "=". A key given twice is a mistake, not a choice. */
export function pairs(flag: string, form: string, texts: readonly string[]): Map<string, string> {
  const read = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at <= 0) throw new AssayError("E_USAGE", `${flag} wants ${form}`, { expected: `${flag} ${form}`, got: text });
    const key = text.slice(0, at);
    if (read.has(key)) throw new AssayError("E_USAGE", `${flag} names ${key} twice`, { got: texts.join(" ") });
    read.set(key, text.slice(at + 1));
  }
  return read;
}

/** Throws E_USAGE where all samples would be the same answer, and where a seed would pass 2^53. */
function readSamples({ samples = 1, seed = 0 }: PlanFlags, profile: Profile): number {
  if (samples > mostSamples) {
    throw new AssayError("E_USAGE", "so many samples are not asked for", {
      expected: `--samples 1 to ${mostSamples}`,
      got: String(samples),
    });
  }
  if (samples > 1 && profile.sampling.temperature === 0) {
    throw new AssayError("E_USAGE", "at temperature 0 all samples are one and the same answer", {
      expected: "a temperature above 0, or one sample",
      got: `--samples ${samples}`,
      ...(profile.verdict.position === "first" ? {} : { next: "--set temperature=0.6" }),
    });
  }
  if (!Number.isSafeInteger(seed + (samples - 1))) {
    throw new AssayError("E_USAGE", "the last sample's seed passes 2^53", {
      expected: "--seed plus --samples within 2^53",
      got: `--seed ${seed} --samples ${samples}`,
    });
  }
  return samples;
}

function readPrinciple(text: string): string {
  if (text.trim() === "")
    throw new AssayError("E_USAGE", "an empty principle judges nothing", { got: '--principle ""' });
  return text;
}

function readMap(texts: readonly string[]): { [ours: string]: string } {
  const map = pairs("--map", "ours=theirs", texts);
  for (const ours of map.keys()) {
    if ((mappable as readonly string[]).includes(ours)) continue;
    throw new AssayError("E_USAGE", "--map knows no such field of ours", {
      expected: `${mappable.join(", ")} on the left of the =`,
      got: `${ours}=${map.get(ours)}`,
    });
  }
  return Object.fromEntries(map);
}

/** `name` is a string column; `name:type` one of another type. */
function readColumns(texts: readonly string[]): UserColumn[] {
  const columns = texts.map((text): UserColumn => {
    const at = text.lastIndexOf(":");
    const name = at < 0 ? text : text.slice(0, at);
    const type = userColumnTypes.find((known) => known === (at < 0 ? "string" : text.slice(at + 1)));
    if (name === "" || type === undefined) {
      throw new AssayError("E_USAGE", "--carry wants name or name:type", {
        expected: `a type of ${userColumnTypes.join(", ")}`,
        got: text,
      });
    }
    return { name, type };
  });
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new AssayError("E_USAGE", `--carry names ${twice} twice`, { got: texts.join(" ") });
  return columns;
}

/** The mode that a flag names. Throws E_USAGE with what is allowed. */
export function oneOf<T extends string>(flag: string, allowed: readonly T[], text: string): T {
  const found = allowed.find((mode) => mode === text);
  if (found === undefined) {
    throw new AssayError("E_USAGE", `${flag} knows no such mode`, { expected: allowed.join(", "), got: text });
  }
  return found;
}
