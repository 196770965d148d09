import { type PoolEngine, unknownFate } from "./pool-engine.ts";
import type { Fate } from "./port.ts";
import { waitUntilBack } from "./wait-until-back.ts";

/**
 * Takes an engine out of its pool until rows may go there again, which `onBack` hears; its `fate` tells then what became
 * of it. Does nothing where it is down already, or when the signal has ended the waiting.
 */
export function loseEngine(
  engine: PoolEngine,
  why: string,
  options: Parameters<typeof waitUntilBack>[2] & { onDown: () => void; onBack: (fate: Fate) => void },
): void {
  if (engine.down || options.signal.aborted) return;
  engine.down = true;
  options.onDown();
  engine.fate = waitUntilBack(engine, why, options).then((fate) => {
    if (fate === null) return unknownFate;
    engine.down = false;
    engine.doubted = false;
    options.onBack(fate);
    return fate;
  });
}
