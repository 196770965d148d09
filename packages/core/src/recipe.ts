import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { sha256 } from "./sha256.ts";

const principles = z.array(z.string().refine((text) => text.trim() !== "", "an empty principle judges nothing")).min(1);

/**
 * Which principles a record is judged under, told by one of its fields: a benchmark's domains want different ones. A
 * record that brings a principle of its own keeps it.
 */
export const recipeSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
  /** where the choice of principles comes from */
  description: z.string(),
  /** the field that chooses, as the format names it: domain, source */
  by: z.string().min(1),
  /** by the field's value, or by how it begins where the key ends in "*"; the longest key that fits */
  principles: z.record(z.string(), principles),
  /** for every other value, and where there is none; null: such a record is bad (missing_principle) */
  otherwise: principles.nullable(),
});
export type Recipe = z.infer<typeof recipeSchema>;

/** The recipe's principles for a record; empty where it has none. Pure. */
export function principlesOf(recipe: Recipe, record: { readonly [field: string]: unknown }): readonly string[] {
  const value = Object.hasOwn(record, recipe.by) ? record[recipe.by] : undefined;
  const text = typeof value === "string" || typeof value === "number" ? String(value) : null;
  const fits = (key: string): boolean =>
    text !== null && (key.endsWith("*") ? text.startsWith(key.slice(0, -1)) : text === key);
  const [best] = Object.keys(recipe.principles)
    .filter(fits)
    .sort((a, b) => b.length - a.length);
  return (best === undefined ? recipe.otherwise : recipe.principles[best]) ?? [];
}

/** What makes two recipes ask the same: neither name nor description. */
export function recipeSha256({ by, principles: byValue, otherwise }: Recipe): string {
  return sha256(canonicalJson({ by, principles: byValue, otherwise }));
}
