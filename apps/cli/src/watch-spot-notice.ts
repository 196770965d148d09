import { AssayError } from "@assay/core";

/** Whose machine it is that may be taken away. */
const clouds = ["aws", "gcp", "azure"] as const;
export type Cloud = (typeof clouds)[number];

/** AWS asks for a look every 5 s of the two minutes it gives; the others give 30 s. */
const lookEveryMs = 5_000;
const answerWithinMs = 2_000;

/** Throws E_USAGE for anything but aws, gcp and azure. */
export function toCloud(text: string): Cloud {
  const cloud = clouds.find((name) => name === text);
  if (cloud === undefined) {
    throw new AssayError("E_USAGE", "--spot knows no such cloud", { expected: clouds.join(", "), got: text });
  }
  return cloud;
}

/**
 * Asks the machine's metadata service every five seconds whether the cloud takes this spot machine away, and tells it
 * once. A service that does not answer is said once and asked again. Ends with the signal. The services' addresses are
 * the clouds' own; AWS_EC2_METADATA_SERVICE_ENDPOINT, GCE_METADATA_HOST (both as the clouds' SDKs know them) and
 * AZURE_METADATA_ENDPOINT name others.
 */
export async function watchSpotNotice(
  cloud: Cloud,
  tell: { onNotice: (what: string) => void; onWarning: (text: string) => void },
  ports: {
    env: Readonly<Record<string, string | undefined>>;
    sleep: (ms: number, signal: AbortSignal) => Promise<void>;
    signal: AbortSignal;
  },
): Promise<void> {
  let answers = true;
  for (; !ports.signal.aborted; await ports.sleep(lookEveryMs, ports.signal)) {
    try {
      const notice = await askers[cloud](ports.env);
      answers = true;
      if (notice !== null) return tell.onNotice(notice);
    } catch (error) {
      if (answers) tell.onWarning(`--spot ${cloud}: the metadata service does not answer (${causeOf(error)})`);
      answers = false;
    }
  }
}

type Env = Readonly<Record<string, string | undefined>>;

/** What the notice says, or null while there is none. */
const askers: { readonly [cloud in Cloud]: (env: Env) => Promise<string | null> } = {
  /** 404 until two minutes before the end; IMDSv2 wants a session's token. EC2 user guide, "Spot Instance interruption notices". */
  async aws(env) {
    const base = (env.AWS_EC2_METADATA_SERVICE_ENDPOINT || "http://169.254.169.254").replace(/\/+$/, "");
    const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
    const token = await ask(`${base}/latest/api/token`, { method: "PUT", headers: ttl });
    const headers = { "x-aws-ec2-metadata-token": token ?? "" };
    const notice = await ask(`${base}/latest/meta-data/spot/instance-action`, { headers });
    return notice === null ? null : `AWS: ${notice.slice(0, 200)}`;
  },
  /** TRUE from 30 s before the end. Compute Engine, "Handle preemption". */
  async gcp(env) {
    const host = env.GCE_METADATA_HOST || "metadata.google.internal";
    const headers = { "metadata-flavor": "Google" };
    const preempted = await ask(`http://${host}/computeMetadata/v1/instance/preempted`, { headers });
    return preempted?.trim() === "TRUE" ? "Google Cloud: preempted" : null;
  },
  /** An event of type Preempt, 30 s before the end. Azure, "Scheduled Events". */
  async azure(env) {
    const base = (env.AZURE_METADATA_ENDPOINT || "http://169.254.169.254").replace(/\/+$/, "");
    const headers = { metadata: "true" };
    const text = await ask(`${base}/metadata/scheduledevents?api-version=2020-07-01`, { headers });
    const events = (JSON.parse(text ?? "{}") as { Events?: readonly { EventType?: string }[] }).Events ?? [];
    return events.some(({ EventType }) => EventType === "Preempt") ? "Azure: Preempt" : null;
  },
};

/** The answer's text; null for 404, which is how a notice that is not there looks. */
async function ask(url: string, init: { method?: string; headers: Record<string, string> }): Promise<string | null> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(answerWithinMs) });
  const text = await response.text();
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`${new URL(url).pathname}: ${response.status}`);
  return text;
}

function causeOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string }; message: string };
  return cause?.code ?? message;
}
