import { randomBytes } from "node:crypto";
import type { Clock } from "@assay/scoring";

/** The real clock. */
export const systemClock: Clock = {
  now: Date.now,
  random: () => randomBytes(8).toString("hex"),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener("abort", end, { once: true });
    }),
  every(ms, tell) {
    const timer = setInterval(tell, ms);
    return () => clearInterval(timer);
  },
};
