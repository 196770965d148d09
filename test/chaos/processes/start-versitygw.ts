import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { freePort } from "./free-port.ts";
import { killChild } from "./kill-child.ts";
import { startS3Gates } from "./s3-gate.ts";
import { belowRoot, type StoreUnderTest } from "./store-under-test.ts";

// its releases of 2027 need Node 22: nothing a run has to say
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

const build = fileURLToPath(new URL("../../s3/build-versitygw.sh", import.meta.url));

/**
 * versitygw, a real S3 server in a process of its own over a folder of this disk, behind gates that log and disturb;
 * `clients` say who is at the end of each wire. Throws where it is not built and cannot be.
 */
export async function startVersitygw(folder: string, clients: readonly (() => string)[]): Promise<StoreUnderTest> {
  const command = execFileSync("sh", [build], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  const version = /versitygw-(v[^/]+)/.exec(command)?.[1] ?? "";
  const home = join(folder, "versitygw");
  const root = join(home, "chaos", "root");
  await mkdir(home, { recursive: true });
  const port = await freePort();
  const keys = { id: randomBytes(10).toString("hex"), secret: randomBytes(20).toString("hex") };
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    child = spawn(command, ["--port", `127.0.0.1:${port}`, "posix", home], {
      env: { PATH: process.env.PATH ?? "", ROOT_ACCESS_KEY: keys.id, ROOT_SECRET_KEY: keys.secret },
      stdio: "ignore",
    });
    for (let round = 0; round < 400; round += 1) {
      if (await answers(port)) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`versitygw does not answer on port ${port}`);
  }

  async function kill(): Promise<void> {
    const dying = child;
    child = null;
    await killChild(dying);
  }

  await start();
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: keys.id, secretAccessKey: keys.secret },
  });
  await client.send(new CreateBucketCommand({ Bucket: "chaos" }));
  client.destroy();
  const gates = await startS3Gates(port, clients);
  return {
    name: `versitygw ${version}`,
    portOf: gates.portOf,
    keysFor: () => keys,
    log: () => gates.log.map((entry) => ({ ...entry, key: belowRoot(entry.key) })),
    setFaults: gates.setFaults,
    keys: () => files(root),
    has: (key) => existsSync(join(root, key)),
    read: (key) => (existsSync(join(root, key)) ? readFileSync(join(root, key)) : undefined),
    server: { kill, start },
    async close() {
      await gates.close();
      await kill();
    },
  };
}

function files(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
