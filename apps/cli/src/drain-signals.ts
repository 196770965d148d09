import type { DrainFlags } from "./flags.ts";
import { draining, onSignals, type Signals } from "./on-signals.ts";
import { note } from "./say.ts";
import { systemClock } from "./system-clock.ts";
import { watchSpotNotice } from "./watch-spot-notice.ts";

/** What stops a verb that works for hours: signals, and with `--spot` the cloud's notice that it takes the machine away. */
export function drainSignals(flags: DrainFlags, onHangUp: () => void): Signals {
  const signals = onSignals(draining(flags.drainSeconds), onHangUp);
  const { spot } = flags;
  if (spot === undefined) return signals;
  const watching = new AbortController();
  void watchSpotNotice(
    spot,
    {
      onNotice: (what) => signals.drainFor(`this spot machine is taken away (${what})`),
      onWarning: note,
    },
    { env: process.env, sleep: systemClock.sleep, signal: watching.signal },
  );
  return {
    ...signals,
    close() {
      watching.abort();
      signals.close();
    },
  };
}
