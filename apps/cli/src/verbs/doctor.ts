import { AssayError, type ErrorCode, isAssayError, profileByName, profileForModel, toAssayError } from "@assay/core";
import { assertAtomicStore } from "@assay/store";
import { readProfile } from "../choose-profile.ts";
import { copyableText } from "../copyable-text.ts";
import type { EngineFlags, JsonFlag, RedisFlags, RootFlags } from "../flags.ts";
import { printable } from "../histogram.ts";
import { type OpenedEngines, openNamedEngines } from "../open-engines.ts";
import { namedRedis } from "../open-queue.ts";
import { openStore } from "../open-store.ts";
import { result, resultJson } from "../say.ts";
import { insistedProfile } from "../submit-settings.ts";
import { systemClock } from "../system-clock.ts";
import { table } from "../table.ts";

type DoctorFlags = RootFlags &
  RedisFlags &
  JsonFlag &
  Omit<EngineFlags, "inFlight"> & { readonly profile?: string; readonly model?: string; readonly read?: string };

interface Check {
  readonly what: string;
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly expected?: string | undefined;
  readonly next?: string | undefined;
  readonly code: ErrorCode | null;
}

/** Checks what is named of engine, Redis and root, each to the end; exit code of the first check that fails. */
export async function doctor(flags: DoctorFlags): Promise<void> {
  const url = namedRedis(flags.redis);
  const hasRoot = flags.root !== undefined || Boolean(process.env.ASSAY_ROOT);
  if (flags.engine.length === 0 && url === undefined && !hasRoot) {
    throw new AssayError("E_USAGE", "nothing is named that could be checked", {
      expected: "one or more of --engine URL, --redis URL, --root ROOT",
      next: "assay doctor --help",
    });
  }
  const checks: Check[] = [];
  if (flags.engine.length > 0) checks.push(...(await checkEngines(flags)));
  if (url !== undefined) checks.push(...(await checkRedis(url)));
  if (hasRoot) checks.push(...(await checkRoot(flags)));
  const failed = checks.find(({ ok }) => !ok);
  const told = checks.map((each) =>
    each.next === undefined ? each : { ...each, next: copyableText(each.next, flags.root) },
  );
  if (flags.json === true) resultJson({ ok: failed === undefined, checks: told });
  else for (const line of checkLines(told)) result(line);
  if (failed !== undefined) {
    throw new AssayError(failed.code ?? "E_INTERNAL", `${failed.what}: the check "${failed.name}" failed`, {
      ...(failed.expected === undefined ? {} : { expected: failed.expected }),
      got: failed.found,
      ...(failed.next === undefined ? {} : { next: failed.next }),
    });
  }
}

function checkLines(checks: readonly Check[]): string[] {
  const rows = checks.map(({ what, name, ok, found }) => [ok ? "ok" : "FAILED", what, name, printable(found, 200)]);
  // under a line that is fine it says what would be better
  const mends = checks.map(({ next }) => (next === undefined ? [] : [`          ${next}`]));
  return table(rows).flatMap((line, i) => [line, ...(mends[i] ?? [])]);
}

/** Elsewhere the next step is this doctor. */
const mends: { readonly [code in ErrorCode]?: string } = {
  E_ENGINE_UNREACHABLE: "start it, or check address and firewall: curl URL/v1/models",
  E_REDIS_UNAVAILABLE: "start it, or check address, password and firewall: redis-cli -u URL ping",
  E_STORE_UNAVAILABLE: "check that the directory or bucket exists, has room, and is reached from this machine",
};

/** Runs one check; an AssayError becomes a failed line. */
async function check(what: string, name: string, work: () => Promise<string>): Promise<Check> {
  try {
    return { what, name, ok: true, found: await work(), code: null };
  } catch (error) {
    const { code, message, got, expected, next } = toAssayError(error);
    const found = got === undefined ? message : `${message}: ${got}`;
    return { what, name, ok: false, found, expected, next: mends[code] ?? next, code };
  }
}

async function checkEngines(flags: DoctorFlags): Promise<Check[]> {
  let engines: OpenedEngines;
  try {
    engines = await openNamedEngines({ ...flags, inFlight: 1 }, flags.model);
  } catch (error) {
    if (!isAssayError(error)) throw error;
    return [await check("engine", "address", () => Promise.reject(error))];
  }
  try {
    const served: string[] = [];
    const models = await check("engine", "models", async () => {
      served.push(...new Set((await engines.models()).flatMap((engine) => engine.models)));
      return `serves ${served.join(", ")}`;
    });
    const model = flags.model ?? served[0];
    if (!models.ok || model === undefined) return [models];
    const profile =
      flags.profile === undefined
        ? (profileForModel(model) ?? profileByName("yes-no"))
        : await readProfile(flags.profile);
    if (profile === null) return [models];
    const reports = await engines.examine(insistedProfile(profile, flags.read), model);
    return [
      models,
      { what: "engine", name: "profile", ok: true, found: `${profile.name}, for model ${model}`, code: null },
      ...reports.flatMap(({ origin, checks }) =>
        checks.map(
          ({ name, ok, found, expected, next }): Check => ({
            what: origin,
            name,
            ok,
            found,
            expected,
            next: next ?? (ok ? undefined : "see what was expected, and how the engine was started"),
            code: ok ? null : "E_ENGINE_REFUSED",
          }),
        ),
      ),
    ];
  } finally {
    await engines.close();
  }
}

async function checkRedis(url: string): Promise<Check[]> {
  const { findRedis } = await import("@assay/queue/private-redis");
  const { assertRedis } = await import("@assay/queue/bullmq");
  return [
    await check("redis", "jobs are safe", async () => {
      const redis = await findRedis({ url, rootId: "", socketDir: "", cacheDir: "", path: "", onNotice: () => {} });
      const connection = redis.connect();
      connection.on("error", () => {});
      try {
        const { version } = await assertRedis(connection, { where: redis.where, limitMs: 10_000 });
        return `${redis.where} answers: version ${version}, never evicts`;
      } finally {
        connection.disconnect();
        await redis.close();
      }
    }),
  ];
}

/** Every time a race of its own: what passed this morning may have lost its rights since. */
async function checkRoot(flags: RootFlags): Promise<Check[]> {
  return [
    await check("root", "put-if-absent", async () => {
      const store = await openStore(flags.root);
      const day = `${new Date().toISOString().slice(0, 10)}-${systemClock.random()}`;
      await assertAtomicStore(store, { day, random: systemClock.random });
      return `${store.uri}: of eight writers of one key one wins; writing, reading and asking work`;
    }),
    await check("root", "list", async () => {
      const store = await openStore(flags.root);
      for await (const { key } of store.list("_", { limit: 1 })) return `works (${key.split("/")[0]}/ …)`;
      return "works";
    }),
  ];
}
