import { toAssayError } from "@assay/core";

/** A promise of the README's table that the store breaks; the first one found. */
export interface BrokenPromise {
  readonly promise: "P1" | "P2" | "P5" | "P6" | "P8";
  readonly what: string;
  readonly where: string;
  readonly expected?: string;
  readonly got?: string;
}

/** How a check ends that found one. Stays inside of verify. */
export class Broken extends Error {
  readonly promise: BrokenPromise;
  constructor(promise: BrokenPromise) {
    super(promise.what);
    this.promise = promise;
  }
}

/** What is stored breaks a promise; a store that does not answer breaks none and is thrown on. */
export function brokenBy(promise: BrokenPromise["promise"], error: unknown, where: string): BrokenPromise {
  const known = toAssayError(error);
  if (known.class !== "broken") throw error;
  return {
    promise,
    what: known.message,
    where: known.where?.startsWith(where) === true ? known.where : [where, known.where ?? ""].join(" ").trimEnd(),
    ...(known.expected === undefined ? {} : { expected: known.expected }),
    ...(known.got === undefined ? {} : { got: known.got }),
  };
}

/** Work on what is stored, whose E_BROKEN breaks this promise at this place. */
export async function under<T>(promise: BrokenPromise["promise"], where: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Broken(brokenBy(promise, error, where));
  }
}
