import {
  AssayError,
  type ControlEntry,
  controlEntrySchema,
  controlKey,
  controlPrefix,
  initialControl,
  mayFollow,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";

/** The state of a batch as its control log tells it; `n` is the number of the last entry, 0 when there is none. */
export type Control = Pick<ControlEntry, "state" | "weight" | "accept_failures"> & {
  readonly n: number;
  readonly last: ControlEntry | null;
};

export async function readControl(store: ObjectStore, batch: string): Promise<Control> {
  const n = (await listEntries(store, batch)).at(-1);
  if (n === undefined) return { ...initialControl, n: 0, last: null };
  const last = await readEntry(store, controlKey(batch, n));
  return { ...pick(last), n, last };
}

/** Numbers of the entries, ascending. What else a person left in the folder is for `verify` to find. */
async function listEntries(store: ObjectStore, batch: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { key } of store.list(controlPrefix(batch))) {
    const n = Number(/(\d{6})\.json$/.exec(key)?.[1]);
    if (key === controlKey(batch, n)) numbers.push(n);
  }
  return numbers;
}

/** What a person or the finalizer wants; what is left out stays as it is. */
export type ControlChange = Partial<Pick<ControlEntry, "state" | "weight" | "accept_failures">> & {
  readonly reason?: string;
};

/**
 * Appends one entry under last + 1 and returns the state that rules afterwards. When somebody else was faster, looks
 * again and decides anew; `appended` is false when the change may not follow the state found (cancel and
 * complete cannot both win) or is the state already. Safe to repeat with the same author after a lost reply: our entry
 * is told by its id, also where others have followed it, and is not written twice.
 */
export async function appendControl(
  store: ObjectStore,
  batch: string,
  change: ControlChange,
  author: { id: string; at: string; by: string },
): Promise<{ appended: boolean; control: Control }> {
  const entries = await listEntries(store, batch);
  for (const n of entries.reverse()) {
    if ((await readEntry(store, controlKey(batch, n))).id === author.id)
      return { appended: true, control: await readControl(store, batch) };
  }
  for (;;) {
    const current = await readControl(store, batch);
    const wanted = { ...pick(current), ...change };
    const same =
      wanted.state === current.state &&
      wanted.weight === current.weight &&
      wanted.accept_failures === current.accept_failures;
    if (
      same ||
      (wanted.state !== current.state && !mayFollow(current.state, wanted.state)) ||
      current.state === "complete"
    ) {
      return { appended: false, control: current };
    }
    const entry: ControlEntry = {
      state: wanted.state,
      weight: wanted.weight,
      accept_failures: wanted.accept_failures,
      reason: change.reason ?? null,
      id: author.id,
      at: author.at,
      by: author.by,
    };
    const key = controlKey(batch, current.n + 1);
    await store.putIfAbsent(key, new TextEncoder().encode(`${JSON.stringify(entry)}\n`));
    const stored = await readEntry(store, key);
    if (stored.id === author.id)
      return { appended: true, control: { ...pick(stored), n: current.n + 1, last: stored } };
  }
}

function pick(
  control: Pick<ControlEntry, "state" | "weight" | "accept_failures">,
): Pick<ControlEntry, "state" | "weight" | "accept_failures"> {
  return { state: control.state, weight: control.weight, accept_failures: control.accept_failures };
}

async function readEntry(store: ObjectStore, key: string): Promise<ControlEntry> {
  const bytes = await store.get(key);
  const parsed = controlEntrySchema.safeParse(bytes === null ? null : parseJson(bytes));
  if (!parsed.success)
    throw new AssayError("E_BROKEN", "a control entry cannot be read", { where: key, cause: parsed.error });
  return parsed.data;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
