import { AssayError, type Recipe, recipeSchema } from "@assay/core";
import { readSmallFile } from "./read-small-file.ts";

/** The recipe of `--recipe FILE`, null without the flag. Throws E_INPUT_MISSING, E_USAGE with the field that is wrong. */
export async function readRecipe(path: string | undefined): Promise<Recipe | null> {
  if (path === undefined) return null;
  const text = await readSmallFile(path).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code ?? String(cause);
    throw new AssayError("E_INPUT_MISSING", "this recipe cannot be read", { where: path, got: code, cause });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new AssayError("E_USAGE", "this recipe is no JSON", { where: path, next: "see examples/recipes" });
  }
  const parsed = recipeSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AssayError("E_USAGE", "this is no recipe", {
    where: path,
    expected: `${issue?.path.join(".") || "the file"}: ${issue?.message ?? "another shape"}`,
    next: "see examples/recipes",
  });
}
