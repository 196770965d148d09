import type { S3Fault, S3LogEntry } from "@assay/testkit";
import { startS3Server } from "@assay/testkit";

/** The store of a run: bucket "chaos", root "root"; keys here are those below the root. */
export interface StoreUnderTest {
  /** as it is recorded */
  readonly name: string;
  /** where the n-th wire leads: one for each worker, the last one for everybody else */
  portOf(wire: number): number;
  /** what a client signs with; `life` is a name of its own where the server tells clients apart by their keys */
  keysFor(life: string): { readonly id: string; readonly secret: string };
  /** every request of Assay's processes, in order of arrival */
  log(): readonly S3LogEntry[];
  setFaults(faults: readonly S3Fault[]): void;
  keys(): readonly string[];
  has(key: string): boolean;
  read(key: string): Uint8Array | undefined;
  /** null where it is no process of its own */
  readonly server: { kill(): Promise<void>; start(): Promise<void> } | null;
  close(): Promise<void>;
}

export function belowRoot(key: string): string {
  return key.replace(/^root\//, "");
}

/** The server of the test kit, whose faults are scripted inside of it. */
export async function startTestkitStore(): Promise<StoreUnderTest> {
  const s3 = await startS3Server({ bucket: "chaos", pageSize: 40 });
  const objects = () => s3.buckets.get("chaos") ?? new Map<string, { readonly bytes: Uint8Array }>();
  return {
    name: "S3 server of the test kit",
    portOf: () => Number(new URL(s3.url).port),
    keysFor: (life) => ({ id: life, secret: "chaos" }),
    log: () => s3.requests.map((entry) => ({ ...entry, key: belowRoot(entry.key) })),
    setFaults: (faults) => s3.setFaults(faults),
    keys: () => [...objects().keys()].map(belowRoot),
    has: (key) => objects().has(`root/${key}`),
    read: (key) => objects().get(`root/${key}`)?.bytes,
    server: null,
    close: () => s3.close(),
  };
}
