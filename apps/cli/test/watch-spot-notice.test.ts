import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { type Cloud, toCloud, watchSpotNotice } from "../src/watch-spot-notice.ts";

/** The clouds' metadata services, written after their public descriptions; none of the clouds can be reached here. */

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

type Answer = { status: number; text: string } | null;
/** null = the connection is cut */
type Service = (request: IncomingMessage) => Answer;

async function watch(cloud: Cloud, service: Service, rounds: number) {
  server = createServer((request, response) => {
    const answer = service(request);
    if (answer === null) request.socket.destroy();
    else response.writeHead(answer.status).end(answer.text);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server?.once("listening", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = new AbortController();
  const notices: string[] = [];
  const warnings: string[] = [];
  let slept = 0;
  await watchSpotNotice(
    cloud,
    { onNotice: (what) => notices.push(what), onWarning: (text) => warnings.push(text) },
    {
      env: {
        AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${host}/`,
        GCE_METADATA_HOST: host,
        AZURE_METADATA_ENDPOINT: `http://${host}`,
      },
      sleep: async () => {
        slept += 1;
        if (slept === rounds) stop.abort();
      },
      signal: stop.signal,
    },
  );
  return { notices, warnings, slept };
}

const ok = (text: string): Answer => ({ status: 200, text });
const absent: Answer = { status: 404, text: "" };

/** Says nothing for two rounds, then that the machine goes. */
const services: { readonly [cloud in Cloud]: () => Service } = {
  aws: () => {
    let asked = 0;
    return ({ method, url, headers }) => {
      if (method === "PUT" && url === "/latest/api/token" && headers["x-aws-ec2-metadata-token-ttl-seconds"])
        return ok("T");
      if (headers["x-aws-ec2-metadata-token"] !== "T") return { status: 401, text: "" };
      if (url !== "/latest/meta-data/spot/instance-action") return { status: 400, text: "" };
      asked += 1;
      return asked < 3 ? absent : ok('{"action": "terminate", "time": "2026-11-26T02:00:00Z"}');
    };
  },
  gcp: () => {
    let asked = 0;
    return ({ url, headers }) => {
      if (headers["metadata-flavor"] !== "Google") return { status: 403, text: "" };
      if (url !== "/computeMetadata/v1/instance/preempted") return absent;
      asked += 1;
      return ok(asked < 3 ? "FALSE" : "TRUE");
    };
  },
  azure: () => {
    let asked = 0;
    return ({ url, headers }) => {
      if (headers.metadata !== "true") return { status: 400, text: "" };
      if (url !== "/metadata/scheduledevents?api-version=2020-07-01") return absent;
      asked += 1;
      const other = { EventType: "Reboot", Resources: ["node-7"] };
      const events = asked < 3 ? [other] : [other, { EventType: "Preempt", Resources: ["node-7"] }];
      return ok(JSON.stringify({ DocumentIncarnation: asked, Events: events }));
    };
  },
};

describe("the cloud's notice that it takes the machine away", () => {
  test.each(["aws", "gcp", "azure"] as const)("%s: told once, and not before it is there", async (cloud) => {
    const { notices, warnings, slept } = await watch(cloud, services[cloud](), 9);
    expect(notices).toHaveLength(1);
    expect(slept).toBe(2);
    expect(warnings).toEqual([]);
  });

  test.each(["aws", "gcp", "azure"] as const)(
    "%s: a service that is away is said once, and asked again",
    async (cloud) => {
      let asked = 0;
      const service = services[cloud]();
      const { notices, warnings } = await watch(
        cloud,
        (request) => {
          asked += 1;
          return asked <= 4 ? (asked === 2 ? { status: 500, text: "no" } : null) : service(request);
        },
        20,
      );
      expect(warnings).toEqual([expect.stringContaining(`--spot ${cloud}: the metadata service does not answer`)]);
      expect(notices).toHaveLength(1);
    },
  );

  test("no notice: watches until it is stopped", async () => {
    expect(await watch("gcp", () => ok("FALSE"), 5)).toEqual({ notices: [], warnings: [], slept: 5 });
  });

  test("another cloud is refused, naming those there are", () => {
    expect(() => toCloud("oracle")).toThrow("--spot knows no such cloud");
    expect(toCloud("aws")).toBe("aws");
  });
});
