import { AssayError } from "@assay/core";

/** Which batches are kept away from which engines, and why. */
export interface Fences {
  isFenced(batch: string, origin: string): boolean;
  /** False where it stands already. */
  fence(batch: string, origin: string, reason: string): boolean;
  /** Takes all of a batch away; false where none stands. */
  lift(batch: string): boolean;
  /** Takes those around one engine away, for every batch. */
  liftEngine(origin: string): void;
  /** E_ENGINES_FENCED with the last reason where every engine is fenced for the batch, else null. */
  refusal(batch: string): AssayError | null;
}

/** Around so many engines. */
export function createFences(engines: number): Fences {
  const fences = new Map<string, Map<string, string>>();
  return {
    isFenced: (batch, origin) => fences.get(batch)?.has(origin) === true,
    fence(batch, origin, reason) {
      const fenced = fences.get(batch) ?? new Map<string, string>();
      fences.set(batch, fenced);
      if (fenced.has(origin)) return false;
      fenced.set(origin, reason);
      return true;
    },
    lift: (batch) => fences.delete(batch),
    liftEngine(origin) {
      for (const fenced of fences.values()) fenced.delete(origin);
    },
    refusal(batch) {
      const fenced = fences.get(batch);
      if (fenced === undefined || fenced.size < engines) return null;
      const [origin, reason] = [...fenced].at(-1) ?? ["", ""];
      return new AssayError("E_ENGINES_FENCED", reason, { where: origin });
    },
  };
}
