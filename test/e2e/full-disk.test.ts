import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeShard } from "@assay/datasets";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { localStore } from "@assay/store/local";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { redisUrl } from "./redis-url.ts";
import { expectExit, main, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";
import { writeQuestions } from "./write-questions.ts";

/**
 * A root on a disk that is full: a tmpfs of a few hundred kilobytes in a mount namespace of the process, where the
 * system lets a user make one, filled and emptied from outside of it.
 */

const mayMount = ((): boolean => {
  try {
    execFileSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
if (!mayMount) console.warn("!!! NOT RUN: a root on a full disk, which needs a system that lets users mount a tmpfs");
const onTmpfs = mayMount ? test : test.skip;

let simulator: Simulator;
let redis: FoundRedis;
let folder: string;
let root: string;

beforeAll(async () => {
  // 16 rows at once, about 100 a second
  simulator = await startSimulator({ slots: 16, tokensPerSecond: 600, reasoningTokens: 100 });
  redis = await testRedis(process.env);
}, 120_000);
afterAll(async () => {
  await redis?.close();
  await simulator?.close();
});
beforeEach(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
  await mkdir(root);
});

onTmpfs(
  "a disk that fills in the middle is waited for: nothing half written, and all of it when there is room",
  async () => {
    const rows = 500;
    const input = join(folder, "rows.jsonl");
    await writeQuestions(input, rows);
    const score = [
      "score",
      input,
      "--root",
      root,
      "--redis",
      redisUrl(redis),
      "--engine",
      simulator.url,
      "--in-flight",
      "16",
      "--principle",
      "correctness",
    ];
    const running = onSmallDisk("2m", "true", score);
    const inside = join(`/proc/${running.child.pid}/root`, root);
    const shards = async (): Promise<string[]> =>
      (await readdir(inside, { recursive: true }).catch(() => [])).filter((name) => name.endsWith(".parquet"));
    await until(async () => (await shards()).length >= 3);
    await writeFile(join(inside, "fill"), Buffer.alloc(4_000_000)).catch(() => {});
    await until(() => running.said().includes("ENOSPC"));
    const before = (await shards()).length;
    expect(before).toBeLessThan(rows / 16);
    for (const shard of await shards())
      expect(
        (await decodeShard((await localStore(inside).get(shard)) ?? new Uint8Array())).rows.length,
      ).toBeGreaterThan(0);
    await rm(join(inside, "fill"));
    expect({ code: await running.ended, said: running.said() }).toMatchObject({ code: 0 });
    const kept = join(folder, "kept");
    const verified = await expectExit(0, ["verify", "latest", "--deep", "--root", kept]);
    expect(verified.stdout).toContain(`${rows} ok`);
    expect((await readdir(join(kept, "_tmp"))).length).toBe(0);
  },
  120_000,
);

onTmpfs(
  "a submit onto a full disk ends with a code, and leaves nothing that is taken for a batch",
  async () => {
    const input = join(folder, "rows.jsonl");
    await writeQuestions(input, 1);
    const fill = `head -c 100000 /dev/zero >"${root}/fill" || true`;
    const running = onSmallDisk("64k", fill, [
      "submit",
      input,
      "--root",
      root,
      "--model",
      "simulator",
      "--principle",
      "correctness",
    ]);
    expect(await running.ended).toBe(6);
    expect(running.said()).toContain("E_STORE_UNAVAILABLE");
    expect(running.said()).toContain("ENOSPC");
    const left = await readdir(join(folder, "kept"), { recursive: true });
    expect(left.filter((name) => name.endsWith("batch.json"))).toEqual([]);
  },
  60_000,
);

onTmpfs(
  "a data set that found no room for its first byte says so, and the same command again does not wait for it",
  async () => {
    const input = join(folder, "rows.jsonl");
    const batches = join(folder, "batches");
    const set = join(root, "set");
    await writeQuestions(input, 1);
    await expectExit(0, ["score", input, "--root", batches, "--engine", "sim", "--principle", "correctness"]);
    const fill = `mkdir -p "${set}/data"; head -c 100000 /dev/zero >"${root}/fill" || true`;
    const running = onSmallDisk("64k", fill, ["export", "latest", set, "--root", batches, "--as", "dataset"]);
    expect(await running.ended).toBe(6);
    expect(running.said()).toContain("E_STORE_UNAVAILABLE");
    expect(running.said()).toContain("ENOSPC");
    await expectExit(0, ["export", "latest", join(folder, "kept/set"), "--root", batches, "--as", "dataset"]);
  },
  120_000,
);

/** Runs the command with `root` on a disk of its own, `first` before it; what lies there in the end is copied to "kept". */
function onSmallDisk(
  size: string,
  first: string,
  args: readonly string[],
): { child: ChildProcess; ended: Promise<number | null>; said: () => string } {
  const script = `mount -t tmpfs -o size=${size} none "${root}" && { ${first}; "$@"; code=$?; rm -f "${root}/fill"; cp -a "${root}/." "${folder}/kept"; exit $code; }`;
  const child = spawn("unshare", ["-rm", "sh", "-c", script, "sh", process.execPath, main, ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", XDG_CACHE_HOME: join(folder, "cache") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  return { child, ended: once(child, "close").then(([code]) => code as number | null), said: () => said };
}
