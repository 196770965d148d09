import { type ControlEntry, controlEntrySchema, controlPrefix, retryName } from "@assay/core";
import type { S3LogEntry } from "@assay/testkit";
import type { Ask } from "./engine-gate.ts";
import type { Deed } from "./people.ts";

export interface PeopleFacts {
  /** every batch of the run, retries included */
  readonly batches: Iterable<string>;
  readonly objects: ReadonlyMap<string, { readonly bytes: Uint8Array }>;
  readonly deeds: readonly Deed[];
  /** what engines were asked, with the batch that it was asked for */
  readonly asks: readonly (Ask & { readonly batch: string })[];
  readonly log: readonly S3LogEntry[];
  readonly storeFaults: readonly { readonly atMs: number; readonly untilMs: number }[];
}

/**
 * A worker looks at the control log twice a minute, may be stopped for 32 s, and then has rows in flight: what is asked
 * later than this of a batch that may not run was begun against somebody's word.
 */
const lookedByMs = 90_000;
/** A chunk may have read the log before, and its lines behind. */
const besideMs = 2_000;

/** What people were told, against what is stored and what was asked: in sentences, empty = it was kept. */
export function checkPeople(facts: PeopleFacts): string[] {
  const broken: string[] = [];
  for (const batch of facts.batches) {
    const entries = controlLog(facts, batch);
    broken.push(...whoLetItGoOn(facts, batch, entries), ...whatStayedCancelled(facts, batch, entries));
    for (const [i, { n, entry, atMs }] of entries.entries()) {
      if (entry.state !== "paused" && entry.state !== "cancelled") continue;
      const hold = { batch, n, fromMs: atMs, untilMs: entries[i + 1]?.atMs ?? Number.POSITIVE_INFINITY };
      broken.push(...whatWasAsked(facts, hold), ...whoBeganAChunk(facts, hold));
    }
  }
  return [...broken, ...whatRetriesBecame(facts)];
}

interface Numbered {
  readonly n: number;
  readonly entry: ControlEntry;
  /** by the store's clock: the writer's own may be an hour off */
  readonly atMs: number;
}

function controlLog({ objects, log }: PeopleFacts, batch: string): Numbered[] {
  const entries: Numbered[] = [];
  for (const [key, { bytes }] of objects) {
    if (!key.startsWith(controlPrefix(batch))) continue;
    const entry = controlEntrySchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
    // 0: stored, and the answer was lost
    const put = log.find((one) => one.action === "PutObject" && one.key === key && [0, 200].includes(one.status));
    entries.push({ n: Number(/(\d+)\.json$/.exec(key)?.[1]), entry, atMs: put?.at ?? Date.parse(entry.at) });
  }
  return entries.sort((a, b) => a.n - b.n);
}

/** Nothing but a person's command lets a batch go on, whatever became of Redis meanwhile. */
function whoLetItGoOn({ deeds }: PeopleFacts, batch: string, entries: readonly Numbered[]): string[] {
  const typed = (verb: Deed["verb"], at: number): boolean =>
    deeds.some((deed) => deed.verb === verb && deed.batch === batch && deed.fromMs <= at && at <= deed.untilMs);
  return entries.flatMap(({ n, entry: { state, by }, atMs }) => {
    const verb = state === "running" ? "resume" : state === "cancelled" ? "cancel" : null;
    if (verb === null || typed(verb, atMs)) return [];
    return [`${batch} is ${state} by entry ${n} of ${by}, and nobody typed ${verb} then`];
  });
}

function whatStayedCancelled({ deeds, objects }: PeopleFacts, batch: string, entries: readonly Numbered[]): string[] {
  if (!deeds.some((deed) => deed.verb === "cancel" && deed.batch === batch && deed.code === 0)) return [];
  const state = entries.at(-1)?.entry.state ?? "running";
  if (state !== "cancelled") return [`${batch} was cancelled, and is ${state} in the end`];
  const ended = ["_SUCCESS", "summary.json"].filter((name) => objects.has(`${batch}/${name}`));
  return ended.map((name) => `${batch} is cancelled and has ${name}`);
}

interface Hold {
  readonly batch: string;
  readonly n: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

function whatWasAsked({ asks }: PeopleFacts, { batch, n, fromMs, untilMs }: Hold): string[] {
  const late = asks.filter((ask) => ask.batch === batch && ask.at > fromMs + lookedByMs && ask.at < untilMs);
  if (late.length === 0) return [];
  return [`${late.length} rows of ${batch} were asked long after entry ${n} stopped it, the first by ${late[0]?.by}`];
}

/** Whoever has read the entry begins no chunk before the next one. */
function whoBeganAChunk({ log, storeFaults }: PeopleFacts, { batch, n, untilMs }: Hold): string[] {
  const entry = `${controlPrefix(batch)}${String(n).padStart(6, "0")}.json`;
  const known = new Map<string, number>();
  for (const { action, key, status, by, at } of log)
    if (action === "GetObject" && key === entry && status === 200 && !known.has(by)) known.set(by, at);
  return log.flatMap(({ action, key, by, at }) => {
    const since = known.get(by);
    if (!by.startsWith("w") || action !== "GetObject" || !key.startsWith(`${batch}/rows/`)) return [];
    if (since === undefined || at < since + besideMs || at >= untilMs) return [];
    // its own reading may have begun before, and waited for the store since
    if (storeFaults.some((fault) => fault.atMs <= at && fault.untilMs + 30_000 >= since)) return [];
    return [`${by} read ${key} ${at - since} ms after it had read that ${batch} may not run`];
  });
}

/** The same retry is one, however often it was typed, and each that ended well says which. */
function whatRetriesBecame({ deeds, objects }: PeopleFacts): string[] {
  const retries = deeds.filter(({ verb }) => verb === "retry");
  return [...new Set(retries.map(({ batch }) => batch))].flatMap((batch) => {
    const links = [...objects.keys()].filter((key) => key.startsWith(`${batch}/retries/`));
    const typed = retries.filter((deed) => deed.batch === batch);
    const names = new Set(typed.filter(({ code }) => code === 0).map(({ said }) => said));
    const wanted = links.length === 0 ? "" : retryName(batch, 1);
    const broken = typed
      .filter(({ code }) => code !== 0)
      .map(({ code, said }) => `retry of ${batch} ended with ${code}: ${said}`);
    if (links.length > 1)
      broken.push(`${batch} was retried once, ${typed.length} times typed, and has ${links.length} retries`);
    for (const name of names)
      if (name !== wanted) broken.push(`a retry of ${batch} said "${name}", and "${wanted}" is stored`);
    return broken;
  });
}
