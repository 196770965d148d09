/**
 * Virtual time, and the only place where anything waits: every operation of every process of a night is an event here.
 * Events happen one at a time, the earliest first; between two of them every promise that can go on has gone on. How
 * long each takes is drawn from the schedule's seed, so the seed decides every order.
 */
export interface VirtualWorld {
  /** virtual milliseconds since the night began */
  now(): number;
  /** the schedule's own chance, from 0 up to, but without, 1 */
  random(): number;
  /** From `least` to `most`, drawn. */
  between(least: number, most: number): number;
  /** Something of the world itself, at its time. */
  after(ms: number, happen: () => unknown): void;
  process(name: string): VirtualProcess;
  /** Lets events happen until `isOver`; what it returns is why it ended. */
  run(isOver: () => boolean, limits: { ms: number; events: number }): Promise<"over" | "time" | "events" | "nothing">;
  readonly events: number;
}

export interface VirtualProcess {
  readonly name: string;
  /** false once it was killed: nothing of it goes on any more */
  readonly alive: boolean;
  /** until when it stands still (SIGSTOP); 0 = it runs */
  readonly stoppedUntil: number;
  /** since when it has stood still, or was dead; null = it runs */
  readonly silentSince: number | null;
  /**
   * Something outside of the process that takes `ms`: `effect` takes place then, also when the process is dead by now,
   * and its result reaches a process that lives, later where that stands still.
   */
  operate<T>(ms: number, effect: () => T | Promise<T>): Promise<T>;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  every(ms: number, tell: () => void): () => void;
  /** A sleep that anybody may end by `wake`. */
  doze(ms: number): { readonly over: Promise<void>; wake(): void };
  /** Calls the process from outside (a nudge, a refusal) after `ms`, if it lives then. */
  call(ms: number, tell: () => void): void;
  kill(): void;
  stop(ms: number): void;
}

interface Happening {
  readonly at: number;
  readonly order: number;
  /** null = the world's own */
  readonly owner: Owner | null;
  happen: (() => unknown) | null;
}
interface Owner {
  alive: boolean;
  stoppedUntil: number;
}

export function virtualWorld(random: () => number): VirtualWorld {
  const heap: Happening[] = [];
  let nowMs = 0;
  let order = 0;
  let events = 0;

  const isBefore = (a: Happening, b: Happening): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(at: number, owner: Owner | null, happen: () => unknown): Happening {
    order += 1;
    const pushed: Happening = { at, order, owner, happen };
    let i = heap.push(pushed) - 1;
    for (let parent = (i - 1) >> 1; i > 0 && isBefore(pushed, heap[parent]!); parent = (i - 1) >> 1) {
      heap[i] = heap[parent]!;
      heap[parent] = pushed;
      i = parent;
    }
    return pushed;
  }

  function pop(): Happening | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    heap[0] = last;
    for (let i = 0; ; ) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[i] = heap[child]!;
      heap[child] = last;
      i = child;
    }
    return first;
  }

  /** Reaches the process at its time, or when it goes on; never, when it is dead. */
  function deliver(owner: Owner, tell: () => void): void {
    if (!owner.alive) return;
    if (owner.stoppedUntil > nowMs) push(owner.stoppedUntil, owner, () => deliver(owner, tell));
    else tell();
  }

  function process(name: string): VirtualProcess {
    const owner = { alive: true, stoppedUntil: 0 };
    let silentSince: number | null = null;
    const call = (ms: number, tell: () => void): Happening => push(nowMs + ms, owner, () => deliver(owner, tell));
    function doze(ms: number): ReturnType<VirtualProcess["doze"]> {
      let wake = (): void => {};
      const over = new Promise<void>((resolve) => {
        const waking = call(ms, resolve);
        wake = () => {
          waking.happen = null;
          resolve();
        };
      });
      return { over, wake };
    }
    return {
      name,
      get alive() {
        return owner.alive;
      },
      get stoppedUntil() {
        return owner.stoppedUntil;
      },
      get silentSince() {
        return owner.alive && owner.stoppedUntil <= nowMs ? null : silentSince;
      },
      operate: (ms, effect) =>
        new Promise((resolve, reject) => {
          // killed while it set several things going: the rest of them was never sent
          if (!owner.alive) return;
          push(nowMs + ms, null, async () => {
            try {
              const result = await effect();
              deliver(owner, () => resolve(result));
            } catch (error) {
              deliver(owner, () => reject(error));
            }
          });
        }),
      doze,
      sleep(ms, signal) {
        if (signal.aborted) return Promise.resolve();
        const { over, wake } = doze(ms);
        signal.addEventListener("abort", wake, { once: true });
        return over.then(() => signal.removeEventListener("abort", wake));
      },
      every(ms, tell) {
        let next = call(ms, tick);
        function tick(): void {
          next = call(ms, tick);
          tell();
        }
        return () => {
          next.happen = null;
        };
      },
      call: (ms, tell) => void call(ms, tell),
      kill() {
        silentSince = nowMs;
        owner.alive = false;
      },
      stop(ms) {
        if (owner.stoppedUntil <= nowMs) silentSince = nowMs;
        owner.stoppedUntil = Math.max(owner.stoppedUntil, nowMs + ms);
      },
    };
  }

  return {
    now: () => nowMs,
    random,
    between: (least, most) => least + (most - least) * random(),
    after: (ms, happen) => void push(nowMs + ms, null, happen),
    process,
    get events() {
      return events;
    },
    async run(isOver, limits) {
      const [untilMs, untilEvents] = [nowMs + limits.ms, events + limits.events];
      await settle();
      while (!isOver()) {
        const next = pop();
        if (next === undefined) return "nothing";
        // woken before its time, or nobody's any more
        if (next.happen === null || next.owner?.alive === false) continue;
        if (next.at > untilMs) return "time";
        if (events >= untilEvents) return "events";
        nowMs = Math.max(nowMs, next.at);
        events += 1;
        await next.happen();
        await settle();
      }
      return "over";
    },
  };
}

/** One turn of the event loop: every promise that could go on has gone on, and Node has looked for rejections that nobody handles. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
