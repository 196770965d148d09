import { readFile } from "node:fs/promises";
import { expect, test } from "@jest/globals";

/** No container runs here; what a worker in one needs of its files stands in two texts that have to agree. */

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

test("a worker in a container has a place for finished rows, which is its user's and outlives it", async () => {
  const image = await read("infra/docker/Dockerfile");
  const [, cache] = /^ENV XDG_CACHE_HOME=(\S+)$/m.exec(image) ?? [];
  const [, user] = /^USER (\d+):/m.exec(image) ?? [];
  expect(image).toMatch(new RegExp(`^RUN install -d -o ${user} -g ${user} ${cache}/assay$`, "m"));
  const services = (await read("docker-compose.yml")).split(/^ {2}(?=[\w-]+:$)/m);
  const workers = services.filter((service) => /^ {4}command: \[ "worker"/m.test(service));
  expect(workers.length).toBeGreaterThan(0);
  for (const worker of workers) expect(worker).toMatch(new RegExp(`^ {6}- spool:${cache}/assay$`, "m"));
});
