import { afterAll, beforeAll, expect } from "@jest/globals";

/** Rejections that nobody handles end a real process: here the file that calls this fails at its end. */
export function refuseUnhandled(): { readonly unhandled: readonly unknown[] } {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => {
    unhandled.push(reason);
  };
  beforeAll(() => {
    process.on("unhandledRejection", note);
  });
  afterAll(() => {
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
  return { unhandled };
}
