import type { WorkerState } from "@assay/core";
import { printable } from "./histogram.ts";
import { count, counted } from "./say.ts";

/** In words that hold for one worker and for many: the verb comes first, without its ending. */
interface Doing {
  readonly words: string;
  readonly why: string | null;
  /** who it is, and since when: of hands that are idle or busy only the number */
  readonly told: "count" | "names" | "names and since";
}

/** More names than these say less. */
const mostNames = 3;

/**
 * What workers do for a batch, a line for each reason, those that score first: "3: 2 score", then "1 on host7:4711 waits
 * for the store since 2026-11-26T17:03:00Z (503 SlowDown): 1,204 finished rows kept, 1,204 on disk". `batch` is null
 * where it is not known which one is meant.
 */
export function workerLines(states: readonly WorkerState[], batch: string | null): string[] {
  if (states.length === 0) return ["none says that it works for this root and model"];
  const groups = new Map<string, { doing: Doing; of: WorkerState[] }>();
  for (const state of states) {
    const doing = doingOf(state, batch);
    const key = JSON.stringify(doing);
    const group = groups.get(key) ?? { doing, of: [] };
    groups.set(key, group);
    group.of.push(state);
  }
  const lines = [...groups.values()]
    .sort((a, b) => Number(a.doing.told !== "count") - Number(b.doing.told !== "count"))
    .map(({ doing, of }) => groupText(doing, of));
  return lines.map((line, i) => (i === 0 ? `${count(states.length)}: ${line}` : line));
}

function doingOf(state: WorkerState, batch: string | null): Doing {
  const refused = state.refused.find((one) => one.batch === batch);
  if (refused !== undefined) return { words: "leave this batch alone", why: refused.why, told: "names" };
  const { why } = state;
  switch (state.does) {
    case "waits-for-store":
      return { words: "wait for the store", why, told: "names and since" };
    case "waits-for-engine":
      return { words: "wait for an engine", why, told: "names and since" };
    case "drains":
      return { words: "drain", why, told: "names and since" };
    case "rests":
      return { words: "have nothing to do", why, told: "count" };
    case "scores": {
      const isOurs = batch === null || state.batches.includes(batch);
      return { words: isOurs ? "score" : "score other batches", why, told: "count" };
    }
  }
}

function groupText({ words, why, told }: Doing, of: readonly WorkerState[]): string {
  const says = of.length === 1 ? words.replace(/^\w+/, (verb) => (verb === "have" ? "has" : `${verb}s`)) : words;
  if (told === "count") return `${count(of.length)} ${says}`;
  const names = of.map(({ name }) => printable(name, 80)).sort();
  const more = names.length - mostNames;
  const on = `${names.slice(0, mostNames).join(", ")}${more > 0 ? ` and ${count(more)} more` : ""}`;
  const since = printable(of.map((state) => state.since).sort()[0] ?? "", 30).replace(/\.\d+Z$/, "Z");
  const reason = why === null ? "" : ` (${printable(why, 300)})`;
  return `${count(of.length)} on ${on} ${says}${told === "names" ? "" : ` since ${since}`}${reason}${rowsText(of)}`;
}

/** What people fear for: rows that were paid for and that the store does not have. */
function rowsText(of: readonly WorkerState[]): string {
  if (of[0]?.does !== "waits-for-store") return "";
  const disk = of.reduce((sum, { rows_on_disk }) => sum + rows_on_disk, 0);
  const memory = of.reduce((sum, { rows_in_memory }) => sum + rows_in_memory, 0);
  const places = [
    ...(disk > 0 ? [`${count(disk)} on disk`] : []),
    ...(memory > 0 ? [`${count(memory)} in memory`] : []),
  ];
  const held = places.length === 0 ? "" : `: ${counted(disk + memory, "finished row")} kept, ${places.join(" and ")}`;
  const full = of.filter(({ is_full }) => is_full).length;
  return full === 0
    ? held
    : `${held}; ${full === of.length ? "" : `on ${count(full)} `}both are full, so no row is sent`;
}
