import { jsonReply, Refusal, type Reply, refusalReply } from "./refusal.ts";

/** true: until it is cleared. A number: the next so many generations. */
export type FaultAmount = boolean | number;

/** What goes wrong. Only generations (chat and completions) are hit, unless it says otherwise. */
export interface SimulatorFaults {
  /** the socket is closed without an answer */
  readonly dropConnection?: FaultAmount;
  /** 400 */
  readonly rejectAll?: FaultAmount;
  /** 404 for the served name, and /v1/models lists another: the engine came back with other weights */
  readonly wrongModel?: FaultAmount;
  /** 503 "The engine is currently busy", without Retry-After, as admission control answers */
  readonly status503?: FaultAmount;
  /** 500 of one row (GenerationError): the engine lives */
  readonly error500?: FaultAmount;
  /** 502 with an HTML page, as a proxy answers */
  readonly notJson?: FaultAmount;
  /** 200 with half of its rows' tokens and finish_reason "abort" */
  readonly abortFinish?: FaultAmount;
  /** 200 with the first half of the JSON */
  readonly cutBody?: FaultAmount;
  /** 200 with a NaN in the JSON, which is no JSON */
  readonly nan?: FaultAmount;
  /** 500 "EngineCore encountered an issue" for all in flight and all that come, /health 503, until cleared */
  readonly engineDead?: boolean;
  /** generations are taken in and never answered; no token moves; /health stays 200 */
  readonly hang?: boolean;
  /** the process ends, every connection cut, when a conversation that holds this text gets a slot */
  readonly diesOf?: string;
  /** milliseconds between the end of a generation and the first byte of its answer */
  readonly firstByteDelayMs?: number;
  /** a proxy in front: it closes the connection when so long no byte of an answer came */
  readonly silenceLimitMs?: number;
}

type DoorFault = "dropConnection" | "rejectAll" | "wrongModel" | "status503" | "error500" | "notJson";
type BodyFault = "cutBody" | "nan";
type CountedFault = DoorFault | BodyFault | "abortFinish";

/** The name that /v1/models lists while `wrongModel` is on. */
export const otherModel = "another-model";

export const engineDeadReply: Reply = refusalReply(
  new Refusal(500, "EngineCore encountered an issue. See stack trace (above) for the root cause."),
);

/** Faults before the row reaches the engine, the first one set is taken. "drop" closes the socket. */
const doorFaults: readonly (readonly [DoorFault, (model: string) => Reply | "drop"])[] = [
  ["dropConnection", () => "drop"],
  ["notJson", () => ({ status: 502, contentType: "text/html", body: "<html><body>502 Bad Gateway</body></html>" })],
  ["status503", () => refusalReply(new Refusal(503, "The engine is currently busy and cannot accept new requests."))],
  ["error500", () => refusalReply(new Refusal(500, "Internal server error"))],
  ["wrongModel", (model) => refusalReply(unknownModel(model, otherModel))],
  ["rejectAll", () => refusalReply(new Refusal(400, "The simulator was told to refuse every request"))],
];

/** Faults in the bytes of a good answer. */
const bodyFaults: readonly (readonly [BodyFault, (body: string) => string])[] = [
  ["nan", (body) => body.replace(/"(logprob|created)":-?[\d.e-]+/, '"$1":NaN')],
  ["cutBody", (body) => body.slice(0, Math.floor(body.length / 2))],
];

export interface FaultState {
  readonly engineDead: boolean;
  readonly hang: boolean;
  readonly firstByteDelayMs: number;
  readonly silenceLimitMs: number | null;
  readonly wrongModel: boolean;
  isDeadly(promptText: string | null): boolean;
  /** Replaces all faults and what was left of them. */
  set(faults: SimulatorFaults): void;
  /** What a generation is answered at the door, or null. Counts it. */
  atTheDoor(model: string): Reply | "drop" | null;
  /** Whether this answer is to be aborted halfway. Counts it. */
  abortsHalfway(): boolean;
  /** The answer as it is sent. Counts it. */
  spoil(reply: Reply): Reply;
}

export function createFaults(): FaultState {
  let faults: SimulatorFaults = {};
  const left = new Map<CountedFault, number>();

  function take(name: CountedFault): boolean {
    const amount = left.get(name) ?? 0;
    if (amount > 0) left.set(name, amount - 1);
    return amount > 0;
  }

  return {
    get engineDead() {
      return faults.engineDead ?? false;
    },
    get hang() {
      return faults.hang ?? false;
    },
    get firstByteDelayMs() {
      return faults.firstByteDelayMs ?? 0;
    },
    get silenceLimitMs() {
      return faults.silenceLimitMs ?? null;
    },
    get wrongModel() {
      return (left.get("wrongModel") ?? 0) > 0;
    },
    isDeadly: (promptText) => faults.diesOf !== undefined && promptText?.includes(faults.diesOf) === true,
    set(next) {
      faults = next;
      left.clear();
      const counted: CountedFault[] = [
        ...doorFaults.map(([name]) => name),
        ...bodyFaults.map(([name]) => name),
        "abortFinish",
      ];
      for (const name of counted) {
        const amount = next[name] ?? false;
        left.set(name, typeof amount === "number" ? amount : amount ? Number.POSITIVE_INFINITY : 0);
      }
    },
    atTheDoor(model) {
      if (faults.engineDead) return engineDeadReply;
      const fault = doorFaults.find(([name]) => take(name));
      return fault === undefined ? null : fault[1](model);
    },
    abortsHalfway: () => take("abortFinish"),
    spoil(reply) {
      let { body } = reply;
      for (const [name, spoilBody] of bodyFaults) if (take(name)) body = spoilBody(body);
      return { ...reply, body };
    },
  };
}

export function unknownModel(asked: string, served: string): Refusal {
  return new Refusal(404, `The model \`${asked}\` does not exist. Valid aliases: ${served}.`, "model");
}

export const unauthorizedReply: Reply = jsonReply(401, { error: "Unauthorized" });
