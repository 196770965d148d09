import { BadRecord, type BadValue, badAsValue, readText } from "./bad-record.ts";
import { principlesOf, type Recipe } from "./recipe.ts";
import type { UserColumn } from "./result-row.ts";
import type { Json, Message } from "./row.ts";
import { assertDepth, assertNumbers, assertText } from "./storable-json.ts";

/** What `--principle`, `--map`, `--carry` and the profile say about reading records. */
export interface RecordSettings {
  /** roles of the profile; a message with another one is bad */
  readonly roles: readonly string[];
  /** from --principle: used where a record brings none */
  readonly principles: readonly string[];
  /** from --recipe: principles by a field of the record, used in the same place; null or absent = none */
  readonly recipe?: Recipe | null;
  /** our field name -> theirs */
  readonly map: { readonly [ours: string]: string };
  /** typed columns: always carried, and bad when the value does not fit */
  readonly columns: readonly UserColumn[];
  /** carry objects, lists and long values, too */
  readonly carryAll: boolean;
}

export type NormalisedRecord =
  | {
      readonly ok: true;
      readonly id: string | null;
      readonly group: string | null;
      readonly messages: readonly Message[];
      readonly responses: readonly string[];
      readonly principles: readonly string[];
      readonly carried: { readonly [key: string]: Json } | null;
      /** carried beside `carried`, one entry a response; absent where all responses carry the same */
      readonly perResponse?: readonly ResponseFields[];
      /** names of fields that were not carried: too long, or not scalar */
      readonly leftOut: readonly string[];
      /** fields of ours that another one beside them overrules, in words; absent where there are none */
      readonly notes?: readonly string[];
    }
  | BadValue;

/** What is true of one response only, such as which side of a pair it was. */
export interface ResponseFields {
  readonly [name: string]: Json;
}

/** Fields with a meaning of their own; the rest of a record is carried. */
const ownFields = ["id", "group", "prompt", "messages", "response", "responses", "principle", "principles"] as const;
type OwnField = (typeof ownFields)[number];

/** A carried value longer than this in UTF-8 is left out: five million copies of a long one are somebody's disk. */
const maxCarriedBytes = 1_000;

/**
 * One parsed record as a conversation with its responses and principles. `perResponse` is what an importer
 * knows of each response, in columns of the batch. Pure; never throws: whatever is
 * wrong comes back as a code and, where one can be named, the field. Text is kept as given: no trimming, no Unicode
 * normalisation. An empty response is ordinary data; an empty principle is not.
 */
export function normaliseRecord(
  raw: unknown,
  settings: RecordSettings,
  perResponse: readonly ResponseFields[] | null = null,
): NormalisedRecord {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return { ok: false, bad: "not_an_object" };
  return badAsValue(() => normalise(raw as { [key: string]: unknown }, settings, perResponse));
}

function normalise(
  record: { [key: string]: unknown },
  settings: RecordSettings,
  perResponse: readonly ResponseFields[] | null,
): NormalisedRecord {
  const nameOf = (field: OwnField): string =>
    Object.hasOwn(settings.map, field) ? (settings.map[field] ?? field) : field;
  const given = (field: OwnField): unknown =>
    Object.hasOwn(record, nameOf(field)) ? (record[nameOf(field)] ?? undefined) : undefined;

  const conversation = readConversation(given("prompt"), given("messages"), nameOf, settings.roles);
  const responsesGiven = readTexts(given("response"), given("responses"), nameOf("response"), nameOf("responses"));
  const last = conversation.at(-1);
  const fromTurn = responsesGiven === null && last?.role === "assistant";
  if (responsesGiven === null && !fromTurn) throw new BadRecord("missing_response", nameOf("response"));
  const messages = fromTurn ? conversation.slice(0, -1) : conversation;
  const responses = responsesGiven ?? [last?.content ?? ""];
  // a chat with its answer in it, and the answer beside it: the judge would read it twice, as an answer to itself
  if (!fromTurn && last?.role === "assistant" && responses.includes(last.content))
    throw new BadRecord("unsupported_content", `${nameOf("response")}${endsConversation}`);
  if (messages.length === 0) throw new BadRecord("empty_conversation", nameOf("messages"));

  const own = readTexts(given("principle"), given("principles"), nameOf("principle"), nameOf("principles"));
  const principles = own ?? (settings.recipe ? principlesOf(settings.recipe, record) : settings.principles);
  if (principles.length === 0) throw new BadRecord("missing_principle", nameOf("principle"));
  if (principles.some((principle) => principle.trim() === ""))
    throw new BadRecord("missing_principle", nameOf("principle"));

  const notes = overruled
    .filter(([unread, read]) => isGiven(given(unread)) && isGiven(given(read)))
    .map(([unread, read]) => `${nameOf(unread)} is not read where ${nameOf(read)} stands beside it`);
  const { carried, leftOut } = readCarried(record, new Set(ownFields.map(nameOf)), settings);
  return {
    ok: true,
    id: readLabel(given("id"), nameOf("id")),
    group: readLabel(given("group"), nameOf("group")),
    messages,
    responses,
    principles,
    carried,
    ...(perResponse === null ? {} : { perResponse: checked(perResponse, responses.length, settings.columns) }),
    leftOut,
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** Stands behind the field of a response that is bad since it is the last turn, too. */
export const endsConversation = ", which ends the conversation already";

/** Two ways to say one thing: the second is read. Neither is carried along, so that only a word tells of the first. */
const overruled = [
  ["prompt", "messages"],
  ["response", "responses"],
  ["principle", "principles"],
] as const satisfies readonly (readonly [OwnField, OwnField])[];

/** An empty list says nothing, as null does: data sets with a fixed schema fill in one or the other. */
function isGiven(value: unknown): boolean {
  return value !== undefined && !(Array.isArray(value) && value.length === 0);
}

function checked(
  fields: readonly ResponseFields[],
  responses: number,
  columns: readonly UserColumn[],
): readonly ResponseFields[] {
  if (fields.length !== responses)
    throw new TypeError(`normaliseRecord: fields of ${fields.length} responses for ${responses}`);
  for (const [i, each] of fields.entries()) {
    for (const [name, value] of Object.entries(each)) {
      const column = columns.find((known) => known.name === name);
      if (column === undefined) throw new TypeError(`normaliseRecord: ${name} of a response is no column`);
      assertText(value, name);
      if (!fits(value, column)) throw new BadRecord("wrong_type", `${name} of response ${i + 1}`);
    }
  }
  return fields;
}

function readConversation(
  prompt: unknown,
  messages: unknown,
  nameOf: (field: OwnField) => string,
  roles: readonly string[],
): Message[] {
  if (messages !== undefined) return readMessages(messages, nameOf("messages"), roles);
  if (Array.isArray(prompt)) return readMessages(prompt, nameOf("prompt"), roles);
  if (prompt === undefined) throw new BadRecord("missing_prompt", nameOf("prompt"));
  return [{ role: "user", content: readText(prompt, nameOf("prompt")) }];
}

function readMessages(value: unknown, field: string, roles: readonly string[]): Message[] {
  if (!Array.isArray(value)) throw new BadRecord("wrong_type", field);
  if (value.length === 0) throw new BadRecord("empty_conversation", field);
  return value.map((message: unknown, i): Message => {
    const at = `${field}[${i}]`;
    if (typeof message !== "object" || message === null || Array.isArray(message))
      throw new BadRecord("wrong_type", at);
    const { role, content, tool_calls } = message as { role?: unknown; content?: unknown; tool_calls?: unknown };
    // an empty text is not what it says
    if (content === "" && Array.isArray(tool_calls) && tool_calls.length > 0)
      throw new BadRecord("unsupported_content", `${at}.tool_calls`);
    if (typeof role !== "string") throw new BadRecord("wrong_type", `${at}.role`);
    if (!roles.includes(role)) throw new BadRecord("unknown_role", `${at}.role`);
    return { role, content: readContent(content, `${at}.content`) };
  });
}

/** Text, or a list of text parts joined; images and the like are not something a text judge has read. */
function readContent(content: unknown, field: string): string {
  if (!Array.isArray(content)) return readText(content, field);
  return content
    .map((part: unknown, i) => {
      const { type, text } = (typeof part === "object" && part !== null ? part : {}) as {
        type?: unknown;
        text?: unknown;
      };
      if (type !== "text" || typeof text !== "string") throw new BadRecord("unsupported_content", `${field}[${i}]`);
      return readText(text, `${field}[${i}].text`);
    })
    .join("");
}

/** The one or the many form of a field; null when the record has neither. */
function readTexts(one: unknown, many: unknown, oneField: string, manyField: string): string[] | null {
  if (isGiven(many)) {
    if (!Array.isArray(many)) throw new BadRecord("wrong_type", manyField);
    return many.map((text: unknown, i) => readText(text, `${manyField}[${i}]`));
  }
  if (!isGiven(one)) return null;
  if (Array.isArray(one)) {
    return one.map((text: unknown, i) => readText(text, `${oneField}[${i}]`));
  }
  return [readText(one, oneField)];
}

/** `id` and `group`: text, or an integer that JSON did not round. */
function readLabel(value: unknown, field: string): string | null {
  if (value === undefined) return null;
  if (typeof value === "number") {
    if (!Number.isInteger(value)) throw new BadRecord("wrong_type", field);
    if (!Number.isSafeInteger(value)) throw new BadRecord("unsafe_integer", field);
    return String(value);
  }
  return readText(value, field);
}

function readCarried(
  record: { [key: string]: unknown },
  own: ReadonlySet<string>,
  settings: RecordSettings,
): { carried: { readonly [key: string]: Json } | null; leftOut: string[] } {
  const typed = new Map(settings.columns.map((column) => [column.name, column]));
  const kept: [string, Json][] = [];
  const leftOut: string[] = [];
  for (const [key, value] of Object.entries(record)) {
    const column = typed.get(key);
    if (own.has(key) && column === undefined) continue;
    if (!key.isWellFormed()) throw new BadRecord("lone_surrogate", "(a field's name)");
    assertDepth(value, key);
    assertText(value, key);
    if (column !== undefined && !fits(value, column)) throw new BadRecord("wrong_type", key);
    if (column !== undefined || settings.carryAll || isShortScalar(value)) {
      assertNumbers(value, key);
      kept.push([key, value as Json]);
    } else leftOut.push(key);
  }
  // Object.fromEntries defines own properties, so that a field named __proto__ is data like any other
  return { carried: kept.length === 0 ? null : Object.fromEntries(kept), leftOut };
}

function isShortScalar(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return false;
  if (typeof value !== "string") return true;
  return value.length <= maxCarriedBytes && new TextEncoder().encode(JSON.stringify(value)).length <= maxCarriedBytes;
}

function fits(value: unknown, column: UserColumn): boolean {
  if (value === null) return true;
  if (column.type === "string") return typeof value === "string";
  if (column.type === "boolean") return typeof value === "boolean";
  if (column.type === "double") return typeof value === "number";
  return typeof value === "number" && Number.isSafeInteger(value);
}
