import { sha256 } from "@assay/core";
import type { ReadRecords } from "@assay/datasets";
import type { InputSource } from "./walk-inputs.ts";

/** Which records a sample holds: by their ordinals over all inputs, from 0, bad ones included. */
export interface Sample {
  readonly chosen: ReadonlySet<number>;
  /** records it was drawn from */
  readonly of: number;
}

/**
 * The `size` records with the smallest sha256 of "<seed>:<ordinal>": the same ones whenever the input is the same, and
 * a larger sample holds a smaller one of the same seed. Reads the whole input. Memory: twice the sample's hashes.
 */
export async function chooseSample(
  inputs: readonly InputSource[],
  { size, seed }: { readonly size: number; readonly seed: number },
  readRecords: ReadRecords,
  onProgress: () => void = () => {},
): Promise<Sample> {
  let ordinal = 0;
  let candidates: { readonly hash: string; readonly ordinal: number }[] = [];
  // greater than any hash in hexadecimal
  let worst = "g";
  const cut = (): void => {
    candidates = candidates.sort((a, b) => (a.hash < b.hash ? -1 : 1)).slice(0, size);
    if (candidates.length === size) worst = candidates.at(-1)?.hash ?? worst;
  };
  for (const source of inputs) {
    for await (const { records } of readRecords(source, { where: source.where, input: source.input })) {
      for (let i = 0; i < records.length; i += 1) {
        const hash = sha256(`${seed}:${ordinal}`);
        if (hash < worst) candidates.push({ hash, ordinal });
        ordinal += 1;
        if (candidates.length >= 2 * size) cut();
      }
      onProgress();
    }
  }
  cut();
  return { chosen: new Set(candidates.map((candidate) => candidate.ordinal)), of: ordinal };
}
