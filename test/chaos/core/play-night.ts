import { isAssayError, isRunnable, shardKey } from "@assay/core";
import { decodeKeys, decodeShard, encodeShard } from "@assay/datasets";
import { createEnginePool } from "@assay/engine/pool";
import { appendControl, runWorker, type WorkerEvent } from "@assay/scoring";
import { memoryStore, seeded } from "@assay/testkit";
import { type Blows, befall } from "./befall.ts";
import { act, type CommandPorts, submit } from "./commands.ts";
import { type Diary, keepDiary } from "./diary.ts";
import { type Ask, type AskLog, engineClient, type NightEngine, nightEngine } from "./engine-model.ts";
import { fairShares } from "./fair-shares.ts";
import { decodeJsonShard, encodeJsonShard } from "./json-shards.ts";
import { type Action, isMild, type Night } from "./night.ts";
import { batchesOf, model, type NightBatch, poisonOf, probing } from "./night-batch.ts";
import type { Planted } from "./planted-bugs.ts";
import { headOf, processPorts } from "./process-ports.ts";
import { type QueueEvent, redisModel } from "./redis-model.ts";
import { type VirtualProcess, virtualWorld } from "./virtual-world.ts";

/** What there is in the morning, for the laws to look at. */
export interface Morning {
  readonly night: Night;
  readonly batches: readonly NightBatch[];
  /** the row that kills its engine */
  readonly poisonous: string | null;
  readonly objects: ReadonlyMap<string, Uint8Array>;
  readonly decodeShard: typeof decodeShard;
  readonly diary: Diary;
  readonly log: AskLog;
  /** what people were told, in order */
  readonly told: readonly Told[];
  /** what people wanted, and until when they tried */
  readonly asked: readonly { readonly verb: Action["verb"]; readonly batch: string; readonly untilMs: number }[];
  /** what was wrong with what processes did and said, and with how the night ended */
  readonly wrong: readonly string[];
  /** how often each fault came down, each outcome of a chunk was had, each command came to its end */
  readonly counts: ReadonlyMap<string, number>;
  readonly virtualMs: number;
  readonly events: number;
}

export interface Told {
  readonly verb: Action["verb"];
  readonly batch: string;
  readonly by: string;
  /** when the command was given */
  readonly fromMs: number;
  readonly state: string;
}

/** A process that runs now, and what follows when it is killed. */
interface Living {
  readonly process: VirtualProcess;
  readonly drain: (() => void) | null;
  readonly again: () => void;
  readonly engines: readonly NightEngine[];
}

/** The night proper: longer than any plan of faults needs. */
const nightMs = 20 * 60_000;
/** What is left when nothing befalls anybody any more has to end within these. */
const morningMs = 60 * 60_000;
const mostEvents = 60_000;
const startMs = Date.UTC(2026, 0, 1);

/**
 * Plays one night: production code over ports in memory, in virtual time, with the night's faults; then, when nothing
 * befalls anybody any more, a last worker, which has to find an end. Deterministic: the same night, the same morning.
 */
export async function playNight(
  night: Night,
  { planted, trace }: { planted?: Planted; trace?: (line: string) => void } = {},
): Promise<Morning> {
  const world = virtualWorld(seeded(night.schedule));
  const memory = memoryStore();
  const redis = redisModel(world, noteQueue);
  const objects = planted?.store?.(memory, redis) ?? memory;
  const codec = night.parquet
    ? { encodeShard, decodeShard }
    : { encodeShard: encodeJsonShard, decodeShard: decodeJsonShard };
  const batches = await batchesOf(night);
  const poisonous = poisonOf(night, batches);
  const log: AskLog = { asks: [], told: new Map(), lone: new Map() };
  const wrong: string[] = [];
  const told: Told[] = [];
  const asked: { verb: Action["verb"]; batch: string; untilMs: number }[] = [];
  const counts = new Map<string, number>();
  const living = new Set<Living>();
  const workers = new Set<Living>();
  const engines = new Map<string, NightEngine>();
  let commandsLeft = 0;
  let started = 0;
  let morning = false;

  const say = (process: VirtualProcess | null, line: string): void =>
    trace?.(`${(world.now() / 1_000).toFixed(3).padStart(9)} s  ${process?.name ?? "night"}  ${line}`);
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

  const blows: Blows = {
    kill(process) {
      process.kill();
      diary.killed(process);
      for (const one of living) {
        if (one.process !== process) continue;
        bury(one);
        world.after(world.between(1_000, 20_000), one.again);
      }
    },
    endEngines(process, which) {
      const own = [...living].find((one) => one.process === process)?.engines ?? [];
      for (const [e, engine] of own.entries()) if (which === "all" || e === which % own.length) engine.die();
    },
    drain(who) {
      const one = [...workers][who % Math.max(1, workers.size)];
      one?.drain?.();
    },
    stop: (process, ms) => process.stop(ms),
    redis: (kind, ms) => redis.befall(kind, ms),
    processOf: (who, atHand) => (who === 0 ? atHand : ([...living][who % Math.max(1, living.size)]?.process ?? atHand)),
    told(fault, process) {
      count(fault.kind);
      say(null, `*** ${fault.kind} (${process.name}, ${fault.ms / 1_000} s, ${fault.times} times)`);
    },
  };
  const faults = befall(world, night.faults, blows);
  const shares = fairShares(blame, (process) => !process.name.startsWith("worker-"));
  const diary = keepDiary(
    memory.objects,
    { now: world.now, quietFrom: () => faults.quietFrom },
    {
      asksOf: (batch, row) => batches.find(({ plan }) => plan.batch === headOf(batch))?.rows[row]?.asks ?? null,
      weighed: shares.weighed,
    },
  );
  const ports = processPorts(
    { world, faults, objects, redis, decodeShard: codec.decodeShard, diary, shares, planted, startMs },
    {
      done(process, { kind, key }, result) {
        if (trace === undefined || kind === "list") return;
        say(process, `${kind} ${key}${typeof result === "string" ? ` ${result}` : result === null ? " nothing" : ""}`);
      },
      blame,
      kill: blows.kill,
    },
  );
  const mild = isMild(night);

  function bury(one: Living): void {
    living.delete(one);
    workers.delete(one);
  }

  function blame(line: string): void {
    say(null, `WRONG: ${line}`);
    wrong.push(line);
  }

  function noteQueue(event: QueueEvent): void {
    shares.heard(event);
    if (event.kind === "take")
      say(event.process, `takes ${event.job.batch} chunk ${event.job.chunk}, priority ${event.priority}`);
    if (event.kind === "add") ports.changedJobs(event.process, event.accepted);
    if (event.kind === "remove") ports.changedJobs(event.process, event.jobs);
    if (event.kind !== "end" || event.lapsed) return;
    const { batch, chunk } = event.job;
    // of several attempts one makes way for another
    const onlyOne = diary.begun(batch, chunk) <= 1 && diary.batches.get(batch)?.onlyRan === true;
    if (onlyOne && !memory.objects.has(shardKey(batch, chunk)))
      blame(`P4: ${event.process.name} ends chunk ${chunk} of ${batch} without a shard, and nobody stopped the batch`);
  }

  /** A command line that is typed again until it comes to an end. */
  function command(
    name: string,
    own: string | null,
    atMs: number,
    work: (ports: CommandPorts) => Promise<unknown>,
  ): void {
    commandsLeft += 1;
    const start = (): void => {
      started += 1;
      const process = world.process(`${name}#${started}`);
      const one: Living = { process, drain: null, again: start, engines: [] };
      living.add(one);
      say(process, "starts");
      work(ports.of(process, own)).then(
        () => {
          say(process, "ends");
          count(name.split("-")[0] ?? name);
          bury(one);
          commandsLeft -= 1;
        },
        (error: unknown) => {
          bury(one);
          if (isAssayError(error, "E_STORE_UNAVAILABLE")) return world.after(5_000, start);
          blame(`${process.name} ends with ${described(error)}`);
          commandsLeft -= 1;
        },
      );
    };
    world.after(atMs, start);
  }

  /** The engine at a URL, which was there before any worker. */
  function engineAt(origin: string): NightEngine {
    const engine =
      engines.get(origin) ??
      nightEngine(origin, world, log, ({ running }) => {
        count("engine dies");
        say(null, `*** ${origin} dies under ${[...running].map(({ ask }) => ask.row).join(" ") || "nothing"}`);
      });
    engines.set(origin, engine);
    return engine;
  }

  function noteAsk(ask: Ask): void {
    say(ask.process, `asks ${ask.row}`);
    if (!mild) return;
    if (diary.saved.has(ask.row)) blame(`P3: ${ask.row} is asked again although a checkpoint holds it`);
    for (const other of log.asks)
      if (
        other !== ask &&
        other.row === ask.row &&
        other.endedAtMs === null &&
        other.process.alive &&
        ask.process !== other.process
      )
        blame(`two living workers ask ${ask.row} at once, and no lease was lost`);
  }

  /** A worker, and whoever follows it when it is killed or drained. */
  function worker(name: string, untilIdle: boolean, onEnd: (end: string) => void = () => {}): void {
    started += 1;
    const process = world.process(`${name}#${started}`);
    const drain = new AbortController();
    const again = (): void => {
      if (!morning) worker(name, untilIdle, onEnd);
    };
    const own = Array.from({ length: night.engines }, (_, e) => engineAt(`http://${name}-${e}`));
    const origins = own.map(({ origin }) => origin);
    const one: Living = { process, drain: () => drain.abort(), again, engines: own };
    living.add(one);
    workers.add(one);
    const clients = own.map((engine) =>
      engineClient(engine, { ...night, poisonous }, { world, process, faults }, log, {
        onAsk: noteAsk,
        giveUp: () => watched.lose(engine.origin, "it has hung"),
      }),
    );
    const watched = createEnginePool({
      clients,
      inFlight: night.slots,
      look: (client) => clients.find(({ origin }) => origin === client.origin)?.look() ?? Promise.resolve("away"),
      lifeOf: ({ origin }) => process.operate(5, () => (engineAt(origin).isAway ? null : engineAt(origin).life)),
      onWarning: () => {},
      sleep: process.sleep,
    });
    say(process, untilIdle ? "starts, until idle" : "starts");
    const work = planted?.work ?? runWorker;
    work(
      {
        ...ports.of(process, null),
        ...codec,
        disk: ports.disk(name, process),
        decodeKeys,
        pool: watched.pool,
        probe: probing(origins),
      },
      {
        model,
        name: process.name,
        software: "0.0.0-night",
        only: null,
        untilIdle,
        drain: drain.signal,
        drainMs: world.random() < 0.5 ? 0 : 20_000,
        abort: new AbortController().signal,
        onEvent: (event) => noteEvent(process, event),
      },
    ).then(
      (end) => {
        say(process, `goes home: ${end}`);
        bury(one);
        if (end === "idle") for (const line of whyNotIdle(process)) blame(line);
        if (end === "drained" && !morning) world.after(world.between(1_000, 10_000), again);
        onEnd(end);
      },
      (error: unknown) => {
        bury(one);
        blame(`${process.name} ends with ${described(error)}`);
        onEnd("error");
      },
    );
  }

  function noteEvent(process: VirtualProcess, event: WorkerEvent): void {
    say(process, event.type === "chunk" ? `chunk ${event.chunk} ${event.outcome.kind}` : event.type);
    count(event.type === "chunk" ? event.outcome.kind : event.type);
    if (event.type === "chunk" && "saved" in event.outcome && event.outcome.saved > 0) count("rows from a checkpoint");
    if (event.type === "refused") blame(`${process.name} refuses ${event.batch}: ${described(event.error)}`);
    // no fault of a night makes what is stored unreadable
    if (event.type === "paused" && /^E_/.test(event.reason))
      blame(`${process.name} pauses ${event.batch}: ${event.reason}`);
  }

  /** Who goes home idle has found no work when it looked last. */
  function whyNotIdle(process: VirtualProcess): string[] {
    return [...diary.batches].flatMap(([batch, { state, success, openSince }]) =>
      isRunnable(state) && !success && openSince !== null && openSince < diary.lookedAt(process)
        ? [`P4: ${process.name} goes home idle, and ${batch} runs`]
        : [],
    );
  }

  /** Since when nothing is left to do that anybody knows of; null = there is. */
  let settledAt: number | null = null;
  const isOver = (): boolean => {
    let open = commandsLeft > 0 || diary.batches.size === 0;
    for (const { state, success } of diary.batches.values()) open ||= isRunnable(state) && !success;
    settledAt = open ? null : (settledAt ?? world.now());
    // faults go on for a while: jobs of an old Redis, a late put, a worker that goes home
    return settledAt !== null && (faults.left === 0 || world.now() > settledAt + 20_000);
  };

  for (const [b, { plan, text, changed, weight, atMs }] of batches.entries())
    for (const kind of b === 0 ? night.submitters : (["first"] as const))
      command(`submit-${kind}`, plan.batch, atMs + world.between(0, 3_000), (own) =>
        submit(own, kind === "changing" ? [text, changed] : [text], weight),
      );
  for (const [k, action] of night.people.entries()) {
    const { verb } = action;
    const batch = batches[action.of % batches.length]?.plan.batch ?? "";
    const one = { verb, batch, untilMs: Number.POSITIVE_INFINITY };
    asked.push(one);
    // whoever collects garbage means the whole root
    command(`${verb}-${k}`, verb === "collect" ? null : batch, action.atMs, async (own) => {
      const fromMs = world.now();
      const line = await act(own, batch, action, ({ state }) =>
        told.push({ verb, batch, by: own.name, fromMs, state }),
      );
      one.untilMs = world.now();
      if (line !== null) blame(line);
    });
  }
  for (let w = 0; w < night.workers; w += 1) worker(`worker-${w}`, world.random() < 0.5);

  const stillNight = await world.run(isOver, { ms: nightMs, events: mostEvents });
  if (stillNight === "events")
    blame(`no end: ${mostEvents} operations in ${(world.now() / 1_000).toFixed(0)} s of virtual time`);

  say(null, "nothing befalls anybody any more");
  morning = true;
  faults.stop();
  let last: string | null = null;
  command("operator", null, 0, async ({ store, clock, name }) => {
    // whoever looks in the morning lets what the failure budget paused go on
    for (const [batch, { state, by }] of diary.batches) {
      if (state !== "paused" || !by?.startsWith("worker-")) continue;
      const author = { id: clock.random(), at: "2026-01-02T00:00:00.000Z", by: name };
      await appendControl(store, batch, { state: "running", accept_failures: true }, author);
    }
    if (last === null)
      world.after(0, () =>
        worker("worker-last", true, (end) => {
          last = end;
        }),
      );
  });
  const end = await world.run(() => last !== null && commandsLeft === 0, { ms: morningMs, events: mostEvents });
  if (end !== "over")
    blame(`no end: ${end} is used up after the last fault (${commandsLeft} commands, last worker ${last})`);
  for (const { drain } of workers) drain?.();
  const home = await world.run(() => workers.size === 0, { ms: morningMs, events: mostEvents });
  if (home !== "over") blame(`no end: ${home} is used up, and drained workers have not gone home`);

  for (const [batch, { state }] of diary.batches) count(batch === headOf(batch) ? `batch ${state}` : `retry ${state}`);
  if (shares.compared > 0) counts.set("takes compared", shares.compared);
  return {
    night,
    batches,
    poisonous,
    objects: memory.objects,
    decodeShard: codec.decodeShard,
    diary,
    log,
    told,
    asked,
    wrong: [...wrong, ...diary.wrong],
    counts,
    virtualMs: world.now(),
    events: world.events,
  };
}

function described(error: unknown): string {
  const { code, message, where } = error as { code?: string; message?: string; where?: string };
  return `${code ?? ""} ${message ?? String(error)}${where === undefined ? "" : ` (${where})`}${code === undefined && error instanceof Error ? `\n${error.stack}` : ""}`;
}
