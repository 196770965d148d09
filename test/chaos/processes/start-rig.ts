import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Simulator, type SimulatorOptions, startSimulator } from "@assay/simulator";
import { type Ask, type EngineGate, startEngineGate } from "./engine-gate.ts";
import { findFaketime } from "./find-faketime.ts";
import { type People, startPeople } from "./people.ts";
import { type RedisUnderTest, startRedis } from "./redis-server.ts";
import { startVersitygw } from "./start-versitygw.ts";
import { type StoreUnderTest, startTestkitStore } from "./store-under-test.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
import { type Crew, startCrew } from "./worker-crew.ts";

export const workers = 3;
export const engines = 2;
/** rows that one worker has in flight on one engine */
export const inFlight = 16;

/** The stores that a run can have. */
export const storeNames = ["testkit", "versitygw"] as const;

/** Everything of a run: real processes for Redis, workers and, if wanted, the store; servers of our own for the rest. */
export interface Rig {
  readonly folder: string;
  readonly root: string;
  readonly store: StoreUnderTest;
  readonly redis: RedisUnderTest;
  readonly crew: Crew;
  /** one of each for each worker, and the submitter's at the end */
  readonly redisLinks: readonly TcpProxy[];
  readonly storeLinks: readonly TcpProxy[];
  readonly engines: readonly Simulator[];
  readonly asks: readonly Ask[];
  readonly people: People;
  readonly faketime: string | null;
  gatesOf(engine: number): readonly EngineGate[];
  stopEngine(engine: number): Promise<void>;
  startEngine(engine: number): Promise<void>;
  /** Ends the submitter where one runs; whoever started it starts it again. */
  killSubmit(): void;
  onKillSubmit(listener: () => void): void;
  /** Environment of a process that is nobody's worker. */
  readonly env: { readonly [name: string]: string };
  close(): Promise<void>;
}

/** Two engines of 32 slots; a row takes about two seconds, so that a kill finds many in the middle. */
const engineOptions: SimulatorOptions = {
  slots: 32,
  tokensPerSecond: 30,
  reasoningTokens: 40,
  promptTokensDetails: true,
};

/** `batches`: those of the run so far, and what the store says of them. */
export async function startRig(
  folder: string,
  storeName: (typeof storeNames)[number],
  batches: (has: (key: string) => boolean) => ReturnType<Parameters<typeof startPeople>[1]>,
): Promise<Rig> {
  await mkdir(folder, { recursive: true });
  let crew: Crew | null = null;
  const lifeOf = (worker: number): string => crew?.current(worker)?.life.name ?? "";
  const clients = Array.from({ length: workers + 1 }, (_, i) => () => (i < workers ? lifeOf(i) : "submit"));
  const store = await (storeName === "versitygw" ? startVersitygw(folder, clients) : startTestkitStore());
  const redis = await startRedis(folder);
  const simulators = await Promise.all(Array.from({ length: engines }, () => startSimulator(engineOptions)));
  const asks: Ask[] = [];
  const links = (portOf: (wire: number) => number): Promise<TcpProxy[]> =>
    Promise.all(Array.from({ length: workers + 1 }, (_, wire) => startTcpProxy({ port: portOf(wire) })));
  const redisLinks = await links(() => redis.port);
  const storeLinks = await links(store.portOf);
  const root = "s3://chaos/root";
  const gates = await Promise.all(
    Array.from({ length: workers * engines }, (_, i) => {
      const worker = Math.floor(i / engines);
      return startEngineGate(
        () => simulators[i % engines]?.url ?? "",
        () => lifeOf(worker),
        (ask) => asks.push(ask),
      );
    }),
  );
  // ports stay when an engine is started again
  const ports = simulators.map(({ url }) => Number(new URL(url).port));
  const base = Object.fromEntries(
    ["PATH", "HOME", "TMPDIR", "LANG"].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const envOf = (n: number, life: string): { [name: string]: string } => ({
    ...base,
    XDG_CACHE_HOME: join(folder, "cache"),
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${storeLinks[n]?.port}`,
    AWS_ACCESS_KEY_ID: store.keysFor(life).id,
    AWS_SECRET_ACCESS_KEY: store.keysFor(life).secret,
    AWS_REGION: "us-east-1",
    REDIS_URL: `redis://127.0.0.1:${redisLinks[n]?.port}`,
    ASSAY_ROOT: root,
  });
  const workerArgs = (worker: number): string[] => [
    "worker",
    "--engine",
    gates
      .slice(worker * engines, (worker + 1) * engines)
      .map(({ url }) => url)
      .join(","),
    "--in-flight",
    String(inFlight),
    "--drain-seconds",
    "5",
    "--model",
    "simulator",
  ];
  crew = startCrew(folder, workers, workerArgs, envOf);
  await writeFile(join(folder, "env.json"), JSON.stringify(envOf(workers, "submit"), null, 2));
  let killSubmit = (): void => {};
  const started: Rig = {
    folder,
    root,
    store,
    redis,
    crew,
    redisLinks,
    storeLinks,
    engines: simulators,
    asks,
    people: startPeople(envOf(workers, "person"), () => batches(store.has)),
    faketime: await findFaketime(),
    gatesOf: (engine) => gates.filter((_, i) => i % engines === engine),
    async stopEngine(engine) {
      await simulators[engine]?.close();
    },
    async startEngine(engine) {
      simulators[engine] = await startSimulator({ ...engineOptions, port: ports[engine] ?? 0 });
    },
    killSubmit: () => killSubmit(),
    onKillSubmit(listener) {
      killSubmit = listener;
    },
    env: envOf(workers, "submit"),
    async close() {
      await crew?.close();
      await Promise.all([...gates, ...redisLinks, ...storeLinks, ...simulators].map((each) => each.close()));
      await store.close();
      await redis.close();
    },
  };
  return started;
}
