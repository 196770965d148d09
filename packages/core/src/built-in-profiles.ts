import type { Profile } from "./profile.ts";
import { genrmPrinciple } from "./profiles/genrm-principle.ts";
import { scalarPrinciple } from "./profiles/scalar-principle.ts";
import { yesNo } from "./profiles/yes-no.ts";

/** The profiles that ship with Assay, in the order in which help lists them. */
export const builtInProfiles: readonly Profile[] = [genrmPrinciple, scalarPrinciple, yesNo];

export function profileByName(name: string): Profile | null {
  return builtInProfiles.find((profile) => profile.name === name) ?? null;
}

/** The built-in profile that lists this served name; null for a model that none knows. */
export function profileForModel(model: string): Profile | null {
  return builtInProfiles.find((profile) => profile.models.includes(model)) ?? null;
}
