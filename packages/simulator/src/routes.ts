import { type AnswerStamp, chatAnswerBody, completionAnswerBody } from "./answer-body.ts";
import type { Engine } from "./engine.ts";
import { engineDeadReply, type FaultState, otherModel, unknownModel } from "./faults.ts";
import type { Generation } from "./generation.ts";
import type { Metrics } from "./metrics.ts";
import type { ResolvedOptions } from "./options.ts";
import { readChat, renderFields } from "./read-chat.ts";
import { readCompletion } from "./read-completion.ts";
import { checkWellFormed, type Fields, parseFields, readBoolean, readIds, readText, wrongType } from "./read-fields.ts";
import { jsonReply, Refusal, type Reply } from "./refusal.ts";
import { streamAnswer } from "./stream-answer.ts";
import { detokenize, tokenize, tokenSpelling } from "./tokenizer.ts";

/** `owned_by` of every model that a simulator serves: by this a client knows that rewards come from no model. */
export const simulatorOwner = "assay-simulator";

export interface Incoming {
  readonly body: string;
  readonly header: (name: string) => string | null;
  /** aborts when the client hangs up */
  readonly signal: AbortSignal;
}

/** What a route says: an answer, a closed socket, or nothing because nobody is there any more. */
export type Outcome = Reply | Streamed | "drop" | null;

/** An answer in pieces: sends events until it is over. */
export interface Streamed {
  readonly status: 200;
  readonly stream: (send: (text: string) => void) => Promise<void>;
}

export interface Served {
  readonly options: ResolvedOptions;
  readonly engine: Engine;
  readonly faults: FaultState;
  readonly metrics: Metrics;
  /** called for each generation that arrives */
  readonly arrived: () => void;
  readonly stamp: () => AnswerStamp;
}

type Route = (served: Served, incoming: Incoming) => Outcome | Promise<Outcome>;

const empty: Reply = { status: 200, contentType: null, body: "" };

export const routes: { readonly [methodAndPath: string]: Route } = {
  "GET /health": ({ faults }) => (faults.engineDead ? { ...empty, status: 503 } : empty),
  "GET /ping": ({ faults }) => (faults.engineDead ? { ...empty, status: 503 } : empty),
  "POST /ping": () => empty,
  "GET /version": ({ options }) => jsonReply(200, { version: options.version }),
  "GET /load": ({ engine }) => jsonReply(200, { server_load: engine.loop.running + engine.loop.waiting }),
  "GET /metrics": ({ engine, metrics }) => {
    engine.loop.settle();
    return {
      status: 200,
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      body: metrics.render(engine.loop, engine.kv),
    };
  },
  "GET /v1/models": (served) => jsonReply(200, modelsBody(served)),
  "POST /v1/chat/completions": (served, incoming) => generate(served, incoming, readChat, chatAnswerBody),
  "POST /v1/completions": (served, incoming) => generate(served, incoming, readCompletion, completionAnswerBody),
  "POST /tokenize": ({ options }, { body }) => jsonReply(200, tokenizeBody(parseFields(body), options)),
  "POST /detokenize": ({ options }, { body }) => {
    if (!options.knows.tokenize) throw notFound();
    const fields = parseFields(body);
    checkModel(fields, options);
    const ids = readIds(fields, "tokens");
    if (ids === null) throw wrongType("tokens", "a list of integers");
    return jsonReply(200, { prompt: detokenize(ids) });
  },
  "POST /v1/chat/completions/render": refuseScaleOut,
  "POST /v1/completions/render": refuseScaleOut,
  "POST /inference/v1/generate": refuseScaleOut,
};

function refuseScaleOut(): never {
  throw new Refusal(
    403,
    "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them.",
  );
}

/** One generation: the faults at the door, the request's own faults, the engine, the faults of the answer. */
async function generate(
  served: Served,
  { body, header, signal }: Incoming,
  read: (fields: Fields, options: ResolvedOptions) => Generation,
  answerBody: typeof chatAnswerBody | typeof completionAnswerBody,
): Promise<Outcome> {
  const { options, engine, faults } = served;
  served.arrived();
  const fields = parseFields(body);
  const atTheDoor = faults.atTheDoor(options.model);
  if (atTheDoor !== null) return atTheDoor;
  checkModel(fields, options);
  checkRank(header("x-data-parallel-rank"));
  const generation = read(fields, options);
  const stamp = served.stamp();
  const named = { ...stamp, id: generation.requestId ?? stamp.id };
  if (generation.show.stream)
    return { status: 200, stream: (send) => streamAnswer(served, generation, named, signal, send) };
  const generated = await engine.generate(generation, signal);
  if (generated === null) return null;
  if (generated === "dead") return engineDeadReply;
  return faults.spoil(jsonReply(200, answerBody(generation, generated, named, options)));
}

function checkModel(fields: Fields, { model }: ResolvedOptions): void {
  const asked = readText(fields, "model");
  if (asked !== null && asked !== model) throw unknownModel(asked, model);
}

/** One replica is one rank: number 0. */
function checkRank(header: string | null): void {
  if (header === null) return;
  const rank = Number(header);
  if (!Number.isInteger(rank) || rank < 0 || rank >= 1)
    throw new Refusal(400, `data_parallel_rank ${header} is out of range [0, 1)`);
}

function modelsBody({ options, faults, stamp }: Served) {
  const { created, id } = stamp();
  const model = faults.wrongModel ? otherModel : options.model;
  return {
    object: "list",
    data: [
      {
        id: model,
        object: "model",
        created,
        owned_by: simulatorOwner,
        root: model,
        parent: null,
        max_model_len: options.maxModelLen,
        permission: [
          {
            id: `modelperm-${id}`,
            object: "model_permission",
            created,
            allow_create_engine: false,
            allow_sampling: true,
            allow_logprobs: true,
            allow_search_indices: false,
            allow_view: true,
            allow_fine_tuning: false,
            organization: "*",
            group: null,
            is_blocking: false,
          },
        ],
      },
    ],
  };
}

function notFound(): Refusal {
  return new Refusal(404, "Not Found");
}

function tokenizeBody(fields: Fields, options: ResolvedOptions) {
  if (!options.knows.tokenize) throw notFound();
  checkModel(fields, options);
  const prompt = readText(fields, "prompt");
  const ids = tokenize(prompt === null ? renderFields(fields, true, options) : checkWellFormed(prompt));
  return {
    count: ids.length,
    max_model_len: options.maxModelLen,
    tokens: ids,
    token_strs: readBoolean(fields, "return_token_strs") ? ids.map(tokenSpelling) : null,
  };
}
