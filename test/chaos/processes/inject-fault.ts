import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SimulatorFaults } from "@assay/simulator";
import type { S3Fault } from "@assay/testkit";
import type { FaultName } from "./fault-kinds.ts";
import type { PlannedFault } from "./plan-faults.ts";
import type { Rig } from "./start-rig.ts";

/** What a fault leaves to be done at its end. */
type Heal = () => Promise<void> | void;
type Inject = (rig: Rig, fault: PlannedFault) => Promise<Heal> | Heal | Promise<void> | void;

/** Points that workers pass; `score` and `submit` pass more. */
const workerPoints = [
  "lease-taken",
  "rows-read",
  "before-put-start",
  "after-put-start",
  "request-sent",
  "row-answered",
  "before-put-checkpoint",
  "after-put-checkpoint",
  "before-put-shard",
  "after-put-shard",
  "before-acknowledge",
  "after-acknowledge",
  "before-put-control",
  "after-put-control",
  "after-put-summary",
  "after-put-success",
] as const;

/** Why a fault cannot be made in this run; empty = all of them can. */
export function missingHere({ faketime, store }: Pick<Rig, "faketime" | "store">): Map<FaultName, string> {
  const missing = new Map<FaultName, string>();
  if (store.server === null)
    missing.set("store: kill -9, started again", `the ${store.name} is no process of its own: --store versitygw`);
  if (faketime === null) missing.set("worker: clock jumps by an hour", "no libfaketime here, nor apt-get to fetch it");
  try {
    execFileSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"], { stdio: "ignore" });
  } catch {
    missing.set("worker: no room on its disk", "no tmpfs can be mounted here without root");
  }
  return missing;
}

const storeFault =
  (faults: readonly S3Fault[]): Inject =>
  ({ store }) => {
    store.setFaults(faults);
    return () => store.setFaults([]);
  };

const engineFault =
  (faults: (times: number) => SimulatorFaults): Inject =>
  (rig, { engine, times }) => {
    rig.engines[engine]?.setFaults(faults(times));
    return () => rig.engines[engine]?.setFaults({});
  };

/** Counted faults are left to be used up: the next fault of an engine replaces what is left. */
const countedFault =
  (faults: (times: number) => SimulatorFaults): Inject =>
  (rig, { engine, times }) =>
    rig.engines[engine]?.setFaults(faults(times));

/** Nobody but the nemesis knows it. */
const password = "appears";

const always = Number.POSITIVE_INFINITY;

const restart =
  (from: "its log" | "the old log" | "nothing"): Inject =>
  async ({ redis }) => {
    await redis.kill();
    return () => redis.start(from);
  };

const injections: { readonly [name in FaultName]: Inject } = {
  "worker: kill -9": ({ crew }, { worker }) => crew.kill(worker),
  "worker: kill -9 at a crash point": ({ crew }, { worker, point, passing }) => {
    const name = workerPoints[Math.floor(point * workerPoints.length)];
    crew.kill(worker, { env: { ASSAY_CRASH_AT: `${name}:${passing}` } });
  },
  "worker: SIGSTOP beyond its lease": ({ crew }, { worker }) => {
    const stopped = crew.current(worker);
    crew.signal(worker, "SIGSTOP");
    return () => void stopped?.child.kill("SIGCONT");
  },
  "worker: event loop blocked beyond its lease": ({ crew }, { worker }) => crew.signal(worker, "SIGUSR2"),
  "worker: heap limit": ({ crew }, { worker }) => {
    crew.kill(worker, { env: { NODE_OPTIONS: "--max-old-space-size=30" } });
    return () => crew.kill(worker);
  },
  "worker: SIGTERM": ({ crew }, { worker }) => crew.signal(worker, "SIGTERM"),
  "worker: SIGTERM twice": ({ crew }, { worker }) => {
    crew.signal(worker, "SIGTERM");
    setTimeout(() => crew.signal(worker, "SIGTERM"), 700);
  },
  "worker: no room on its disk": ({ crew, store, folder }, { worker }) => {
    const cache = join(folder, "full");
    mkdirSync(cache, { recursive: true });
    // the spool is wanted only while the store is away
    const around = `mount -t tmpfs -o size=64k none '${cache}' && head -c 60000 /dev/zero > '${cache}/fill'; exec "$@"`;
    crew.kill(worker, { around, env: { XDG_CACHE_HOME: cache } });
    const away = setTimeout(() => store.setFaults([{ does: "refuse", times: always, action: "PutObject" }]), 4_000);
    return () => {
      clearTimeout(away);
      store.setFaults([]);
      crew.kill(worker);
    };
  },
  "worker: clock jumps by an hour": ({ crew, faketime, folder }, { worker, point }) => {
    const file = join(folder, `clock-${worker}`);
    writeFileSync(file, "+0\n");
    crew.kill(worker, {
      env: {
        LD_PRELOAD: faketime ?? "",
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_NO_CACHE: "1",
        DONT_FAKE_MONOTONIC: "1",
      },
    });
    const jump = setTimeout(() => writeFileSync(file, point < 0.5 ? "-3600\n" : "+3600\n"), 4_000);
    return () => {
      clearTimeout(jump);
      crew.kill(worker);
    };
  },

  "redis: kill -9, restart with its AOF": restart("its log"),
  "redis: FLUSHALL": async ({ redis }) => void (await redis.admin((admin) => admin.flushall())),
  "redis: restart empty": restart("nothing"),
  "redis: restart with an old AOF": restart("the old log"),
  "redis: SIGSTOP beyond the lease": ({ redis }) => {
    process.kill(redis.pid, "SIGSTOP");
    return () => void process.kill(redis.pid, "SIGCONT");
  },
  "redis: CLIENT PAUSE": async ({ redis }, { atMs, untilMs }) =>
    void (await redis.admin((admin) => admin.call("CLIENT", "PAUSE", String(untilMs - atMs), "ALL"))),
  "redis: connections cut": ({ redisLinks }) => {
    for (const link of redisLinks) link.cutAll();
  },
  "redis: READONLY replica": async ({ redis }) => {
    // of a master that is not there: what was written stays, nothing is taken
    await redis.admin((admin) => admin.replicaof("127.0.0.1", 1));
    return async () => void (await redis.admin((admin) => admin.replicaof("NO", "ONE")));
  },
  "redis: out of memory": async ({ redis }) => {
    await redis.admin((admin) => admin.config("SET", "maxmemory", "1mb"));
    return async () => void (await redis.admin((admin) => admin.config("SET", "maxmemory", "0")));
  },
  "redis: a password appears": async ({ redis, redisLinks }) => {
    await redis.admin((admin) => admin.config("SET", "requirepass", password));
    for (const link of redisLinks) link.cutAll();
    return async () => void (await redis.admin((admin) => admin.config("SET", "requirepass", ""), password));
  },
  "redis: it cannot save (MISCONF)": ({ redis }) => redis.stopSaving(),
  "redis: LOADING": ({ redis }, { atMs, untilMs }) => redis.restartLoading(untilMs - atMs),

  "link: no way to Redis for one worker": ({ redisLinks }, { worker, point }) => {
    redisLinks[worker]?.setMode(point < 0.5 ? "cut" : "silent");
    return () => redisLinks[worker]?.setMode("open");
  },
  "link: Redis is 100 ms away": ({ redisLinks }) => {
    for (const link of redisLinks) link.setDelay(50);
    return () => {
      for (const link of redisLinks) link.setDelay(0);
    };
  },
  "link: the store at 20 kB/s": ({ storeLinks }, { worker }) => {
    storeLinks[worker]?.setRate(20_000);
    return () => storeLinks[worker]?.setRate(Number.POSITIVE_INFINITY);
  },

  "store: burst of 503": storeFault([{ does: "refuse", times: always }]),
  "store: burst of 500": storeFault([{ does: "refuse", times: always, status: 500, code: "InternalError" }]),
  "store: 409 on puts": storeFault([
    { does: "refuse", times: always, action: "PutObject", status: 409, code: "ConditionalRequestConflict" },
  ]),
  "store: answers lost": storeFault([{ does: "lose-answer", times: always, action: "PutObject" }]),
  "store: answers that never come": storeFault([{ does: "hang-after", times: 6, action: "PutObject" }]),
  "store: bodies cut": storeFault([{ does: "cut-body", times: always, action: "GetObject" }]),
  "store: denied": storeFault([{ does: "refuse", times: always, status: 403, code: "AccessDenied" }]),

  "store: kill -9, started again": async ({ store: { server } }) => {
    await server?.kill();
    return () => server?.start();
  },

  "engine: 400": countedFault((times) => ({ rejectAll: Math.ceil(times / 4) })),
  "engine: 500": countedFault((times) => ({ error500: times })),
  "engine: 503": engineFault(() => ({ status503: true })),
  "engine: 429": (rig, { engine }) => {
    for (const gate of rig.gatesOf(engine)) gate.setBusy(always);
    return () => {
      for (const gate of rig.gatesOf(engine)) gate.setBusy(0);
    };
  },
  "engine: hangs": engineFault(() => ({ hang: true })),
  "engine: connections dropped": countedFault((times) => ({ dropConnection: times })),
  "engine: its core dies": engineFault(() => ({ engineDead: true })),
  "engine: gone, and started again": async (rig, { engine }) => {
    await rig.stopEngine(engine);
    return () => rig.startEngine(engine);
  },
  "engine: answers cut": countedFault((times) => ({ cutBody: times })),
  "engine: NaN": countedFault((times) => ({ nan: times })),
  "engine: a proxy's HTML": countedFault((times) => ({ notJson: times })),
  "engine: rows given up halfway": countedFault((times) => ({ abortFinish: times })),

  "person: pause, a wiped Redis, resume": async ({ people, redis }, { point }) => {
    const resume = await people.pause(point);
    // one that is away meets a wipe of its own
    await redis.admin((admin) => admin.flushall()).catch(() => {});
    return resume;
  },
  "person: cancel": ({ people }, { point }) => people.cancel(point),
  "person: retry, typed twice at once": ({ people }, { point }) => people.retry(point),

  "submit: kill -9": (rig) => rig.killSubmit(),
};

/** Makes the fault happen; the returned call ends it. Rejects where it could not be made. */
export async function injectFault(rig: Rig, fault: PlannedFault): Promise<Heal> {
  const heal = await injections[fault.name](rig, fault);
  return typeof heal === "function" ? heal : () => {};
}
