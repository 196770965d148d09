import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The command as it ships. */
export const command = fileURLToPath(new URL("../../../apps/cli/dist/main.js", import.meta.url));
const blockLoop = new URL("./block-loop.mjs", import.meta.url).href;

/** One process of a worker, from its start to its end. */
export interface Life {
  /** such as w0.3: also its access key at the store and its name at the engines' gates */
  readonly name: string;
  readonly worker: number;
  readonly startedAt: number;
  endedAt: number | null;
  /** how it ended: a signal's name or an exit code */
  end: string | null;
  /** whether the nemesis, and nobody else, ended it */
  killed: boolean;
}

/** What is different in the next life of a worker. */
export interface Trait {
  readonly env?: { readonly [name: string]: string };
  /** a shell that ends in `exec "$@"`, run around the command */
  readonly around?: string;
}

export interface Crew {
  readonly lives: readonly Life[];
  current(worker: number): { readonly life: Life; readonly child: ChildProcess } | null;
  /** Ends the worker at once; its next life has the trait. */
  kill(worker: number, trait?: Trait): void;
  signal(worker: number, signal: NodeJS.Signals): void;
  /** SIGTERM to all; resolves when they are gone. */
  close(): Promise<void>;
}

/** A supervisor such as a cluster has: whoever ends is started again soon. */
const restartMs = 700;

export function startCrew(
  folder: string,
  workers: number,
  argsOf: (worker: number) => readonly string[],
  envOf: (worker: number, life: string) => { readonly [name: string]: string },
): Crew {
  const lives: Life[] = [];
  const slots = Array.from({ length: workers }, () => ({
    child: null as ChildProcess | null,
    life: null as Life | null,
    next: {} as Trait,
    count: 0,
  }));
  let closing = false;

  function start(worker: number): void {
    const slot = slots[worker];
    if (slot === undefined || closing) return;
    const trait = slot.next;
    slot.next = {};
    const life: Life = {
      name: `w${worker}.${slot.count}`,
      worker,
      startedAt: Date.now(),
      endedAt: null,
      end: null,
      killed: false,
    };
    slot.count += 1;
    slot.life = life;
    lives.push(life);
    const args = [process.execPath, command, ...argsOf(worker)];
    const [file = "", ...rest] =
      trait.around === undefined ? args : ["unshare", "-rm", "sh", "-c", trait.around, "sh", ...args];
    const child = spawn(file, rest, {
      env: { ...envOf(worker, life.name), NODE_OPTIONS: `--import ${blockLoop}`, ...trait.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    slot.child = child;
    const log = createWriteStream(join(folder, "logs", `${life.name}.log`));
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.once("close", (code, signal) => {
      log.end();
      life.endedAt = Date.now();
      life.end = signal ?? String(code);
      slot.child = null;
      setTimeout(() => start(worker), restartMs);
    });
  }

  const signal = (worker: number, name: NodeJS.Signals): void => void slots[worker]?.child?.kill(name);
  void mkdir(join(folder, "logs"), { recursive: true }).then(() => {
    for (const worker of slots.keys()) start(worker);
  });
  return {
    lives,
    current(worker) {
      const slot = slots[worker];
      return slot?.child == null || slot.life === null ? null : { life: slot.life, child: slot.child };
    },
    kill(worker, trait = {}) {
      const slot = slots[worker];
      if (slot === undefined) return;
      slot.next = trait;
      if (slot.life !== null && slot.child !== null) slot.life.killed = true;
      signal(worker, "SIGKILL");
    },
    signal,
    async close() {
      closing = true;
      const left = slots.flatMap(({ child }) => (child === null ? [] : [child]));
      for (const child of left) child.kill("SIGTERM");
      const hard = setTimeout(() => {
        for (const child of left) child.kill("SIGKILL");
      }, 15_000);
      await Promise.all(left.map((child) => (child.exitCode ?? child.signalCode) !== null || gone(child)));
      clearTimeout(hard);
    },
  };
}

function gone(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once("close", () => resolve()));
}
