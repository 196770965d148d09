/** One HTTP answer, ready to be written. */
export interface Reply {
  readonly status: number;
  readonly contentType: string | null;
  readonly body: string;
  readonly headers?: { readonly [name: string]: string };
}

const typeByStatus: { readonly [status: number]: string } = {
  400: "BadRequestError",
  403: "PermissionDeniedError",
  404: "NotFoundError",
  500: "InternalServerError",
  503: "Service Unavailable",
};

/** A request that is answered with an error in vLLM's shape. `value` goes into the message as vLLM's own do. */
export class Refusal extends Error {
  readonly status: number;
  readonly param: string | null;

  constructor(status: number, message: string, param: string | null = null) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.param = param;
  }
}

/** vLLM's way of naming the field and its value behind the message. */
export function refuseField(message: string, param: string, value?: string | number): Refusal {
  const suffix = value === undefined ? `(parameter=${param})` : `(parameter=${param}, value=${value})`;
  return new Refusal(400, `${message} ${suffix}`, param);
}

export function refusalReply({ status, message, param }: Refusal): Reply {
  const type = typeByStatus[status] ?? "Error";
  return jsonReply(status, { error: { message, type, param, code: status } });
}

export function jsonReply(status: number, body: unknown): Reply {
  return { status, contentType: "application/json", body: JSON.stringify(body) };
}
