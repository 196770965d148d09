import { AssayError, builtInProfiles, checkProfile, type Profile, profileByName, profileForModel } from "@assay/core";
import { readSmallFile } from "./read-small-file.ts";

/** What is asked, and of whom: the served name, the revision where the user states one, and the profile. */
export interface ChosenModel {
  readonly model: string;
  readonly revision: string | null;
  readonly profile: Profile;
}

/**
 * Chooses profile and model from `--profile` and `--model NAME[@REVISION]`. Without `--model`: what `served` says the
 * engines serve, asked only when it is needed; else the profile's own first. Without `--profile`: the built-in
 * profile that lists the model. Throws E_USAGE or E_PROFILE, naming what there is to choose from.
 */
export async function chooseModel(
  flags: { readonly profile?: string; readonly model?: string },
  served: (() => Promise<readonly string[]>) | null,
): Promise<ChosenModel> {
  const profile = flags.profile === undefined ? null : await readProfile(flags.profile);
  if (flags.model !== undefined) {
    const { model, revision } = splitModel(flags.model);
    return { model, revision, profile: profile ?? profileOf(model) };
  }
  const models = served === null ? [] : [...new Set(await served())];
  const [only] = models;
  if (only !== undefined && models.length === 1) {
    return { model: only, revision: null, profile: profile ?? profileOf(only) };
  }
  if (profile === null) throw models.length > 1 ? severalModels(models) : nothingNamed();
  const own = models.length === 0 ? profile.models[0] : profile.models.find((model) => models.includes(model));
  if (own === undefined) throw models.length > 1 ? severalModels(models) : noModelOf(profile);
  return { model: own, revision: null, profile };
}

/** A built-in profile's name, or a file with a profile in JSON. */
export async function readProfile(nameOrFile: string): Promise<Profile> {
  const builtIn = profileByName(nameOrFile);
  if (builtIn !== null) return builtIn;
  let text: string;
  try {
    text = await readSmallFile(nameOrFile);
  } catch (cause) {
    throw new AssayError("E_PROFILE", "no such profile, and no such file", {
      expected: `${profileNames()}, or a file with a profile`,
      got: nameOrFile,
      cause,
    });
  }
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new AssayError("E_PROFILE", "this profile is not JSON", { where: nameOrFile, cause });
  }
  return checkProfile(raw, nameOrFile);
}

/** Revisions are git commits or tags: what stands behind the last @. */
export function splitModel(text: string): { model: string; revision: string | null } {
  const at = text.lastIndexOf("@");
  const model = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? null : text.slice(at + 1);
  if (model === "" || revision === "")
    throw new AssayError("E_USAGE", "not a model", { expected: "--model NAME or NAME@REVISION", got: text });
  return { model, revision };
}

function profileOf(model: string): Profile {
  const profile = profileForModel(model);
  if (profile === null) {
    throw new AssayError("E_USAGE", "no built-in profile knows this model", {
      expected: "--profile NAME, or a file with your own",
      got: model,
      next: `name the profile, which for most chat models is yes-no:\n${profileList()}`,
    });
  }
  return profile;
}

function nothingNamed(): AssayError {
  return new AssayError("E_USAGE", "neither a model nor a profile is named", {
    expected: "--model NAME[@REVISION], --profile NAME or FILE, or both",
    next: `choose a profile:\n${profileList()}`,
  });
}

function noModelOf(profile: Profile): AssayError {
  return new AssayError("E_USAGE", `the profile ${profile.name} names no model of its own`, {
    expected: "--model NAME: the name that the engine serves",
    next: "curl ENGINE/v1/models shows it",
  });
}

function severalModels(models: readonly string[]): AssayError {
  return new AssayError("E_USAGE", "the engines serve more than one model", {
    expected: "--model with one of them",
    got: models.join(", "),
    next: `--model ${models[0]}`,
  });
}

function profileNames(): string {
  return builtInProfiles.map(({ name }) => name).join(", ");
}

function profileList(): string {
  return builtInProfiles.map(({ name, description }) => `            ${name.padEnd(18)}${description}`).join("\n");
}
