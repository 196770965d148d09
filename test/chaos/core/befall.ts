import type { Fault, FaultKind } from "./night.ts";
import type { VirtualProcess, VirtualWorld } from "./virtual-world.ts";

/** What befalls an operation of a store or an engine; null = nothing. */
export type Fate = { readonly kind: FaultKind; readonly ms: number } | null;

/** Where the faults of a night come down. */
export interface Faulty {
  /**
   * Every operation of every process is told here before it is sent: when the next fault is due, it happens. Returns
   * whether the process dies as soon as this operation has taken place.
   */
  note(process: VirtualProcess): { readonly diesAfter: boolean };
  /** What befalls an operation at the store, that was told before. */
  fateAtStore(): Fate;
  /** What befalls a request to an engine. */
  fateAtEngine(): Fate;
  /** virtual time from which on nothing befalls anybody any more, so far as is known now */
  readonly quietFrom: number;
  readonly left: number;
  /** Whatever is left of the plan never happens. */
  stop(): void;
}

/** What faults do to processes and to Redis; who is meant has been found. */
export interface Blows {
  kill(process: VirtualProcess): void;
  /** Engines of that worker die: one of them, or all. */
  endEngines(process: VirtualProcess, which: number | "all"): void;
  drain(who: number): void;
  stop(process: VirtualProcess, ms: number): void;
  redis(kind: FaultKind, ms: number): void;
  /** the process meant: 0 is the one at hand */
  processOf(who: number, atHand: VirtualProcess): VirtualProcess;
  told(fault: Fault, process: VirtualProcess): void;
}

export function befall(world: VirtualWorld, faults: readonly Fault[], blows: Blows): Faulty {
  const plan = [...faults];
  let gap = plan[0]?.gap ?? 0;
  let quietFrom = 0;
  const store: { kind: FaultKind; ms: number; left: number }[] = [];
  const engine: { kind: FaultKind; ms: number; left: number }[] = [];
  let storeAwayUntil = 0;
  let engineAwayUntil = 0;
  let stopped = false;

  const lasts = (ms: number): void => {
    quietFrom = Math.max(quietFrom, world.now() + ms);
  };

  function strike(fault: Fault, atHand: VirtualProcess): boolean {
    const { kind, who, ms, times } = fault;
    const process = blows.processOf(who, atHand);
    blows.told(fault, process);
    lasts(ms);
    switch (kind) {
      case "kill-before":
        blows.kill(process);
        return false;
      case "kill-after":
        if (process === atHand) return true;
        blows.kill(process);
        return false;
      case "host-dies":
        blows.endEngines(process, "all");
        blows.kill(process);
        return false;
      case "engine-dies":
        blows.endEngines(process, times);
        return false;
      case "drain":
        blows.drain(who);
        return false;
      case "stop":
        blows.stop(process, ms);
        return false;
      case "store-away":
        storeAwayUntil = world.now() + ms;
        return false;
      case "engine-away":
        engineAwayUntil = world.now() + ms;
        return false;
      default:
        if (kind.startsWith("store-")) store.push({ kind, ms, left: times });
        else if (kind.startsWith("engine-")) engine.push({ kind, ms, left: times });
        else blows.redis(kind, ms);
        return false;
    }
  }

  function next(of: { kind: FaultKind; ms: number; left: number }[]): Fate {
    const first = of[0];
    if (first === undefined) return null;
    first.left -= 1;
    if (first.left === 0) of.shift();
    // late ones land, and slow ones end, that much later
    lasts(first.ms);
    return first;
  }

  return {
    note(process) {
      let diesAfter = false;
      while (plan[0] !== undefined && gap <= 0 && process.alive && !diesAfter) {
        const fault = plan.shift() as Fault;
        gap = plan[0]?.gap ?? 0;
        diesAfter = strike(fault, process);
      }
      gap -= 1;
      return { diesAfter };
    },
    fateAtStore() {
      if (stopped) return null;
      return world.now() < storeAwayUntil ? { kind: "store-away", ms: 0 } : next(store);
    },
    fateAtEngine() {
      if (stopped) return null;
      return world.now() < engineAwayUntil ? { kind: "engine-away", ms: 0 } : next(engine);
    },
    get quietFrom() {
      return quietFrom;
    },
    get left() {
      return plan.length;
    },
    stop() {
      plan.length = 0;
      stopped = true;
    },
  };
}
