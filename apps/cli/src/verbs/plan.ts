import { type BatchFile, defaultCombine, estimateNight, type Profile, type Recipe, recipeSha256 } from "@assay/core";
import { loadBatchIfPresent, maxCountedIds, type Sample, type WalkTally } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { InputFormat } from "../choose-input-format.ts";
import { chooseModel } from "../choose-profile.ts";
import type { JsonFlag, PlanFlags, RootFlags } from "../flags.ts";
import { printable } from "../histogram.ts";
import { onSignals } from "../on-signals.ts";
import { openInputs } from "../open-inputs.ts";
import { openStore } from "../open-store.ts";
import { emptyColumns, leftOutNames, oddInputs, type PlannedInputs, planInputs } from "../plan-inputs.ts";
import { readState } from "../read-state.ts";
import { count, counted, duration, result, resultJson, sizeText } from "../say.ts";

/**
 * What a submit would do. Reads the whole input, stores nothing, asks nobody. Ctrl-C ends it by itself and not by the
 * system: a pipe's text, kept to be read twice, goes with it.
 */
export async function plan(inputs: readonly string[], flags: PlanFlags & RootFlags & JsonFlag): Promise<void> {
  const chosen = await chooseModel(flags, null);
  const signals = onSignals("stopping; nothing was stored");
  try {
    await planOpened(inputs, flags, chosen, signals.drain);
  } finally {
    signals.close();
  }
}

async function planOpened(
  inputs: readonly string[],
  flags: PlanFlags & RootFlags & JsonFlag,
  chosen: Awaited<ReturnType<typeof chooseModel>>,
  signal: AbortSignal,
): Promise<void> {
  const sources = await openInputs(inputs, { signal });
  try {
    const store = flags.root === undefined && !process.env.ASSAY_ROOT ? null : await openStore(flags.root);
    const planned = await planInputs(store, sources, flags, chosen, signal);
    const exists = store === null ? null : await readExisting(store, planned.planned.file);
    if (flags.json === true) resultJson(planJson(planned, exists));
    else for (const line of planLines(planned, exists)) result(line);
  } finally {
    await sources.close();
  }
}

/** null: no root was named, so nobody was asked. */
type Existing = { readonly root: string; readonly state: string | null; readonly doneRows: number } | null;

async function readExisting(store: ObjectStore, { batch }: BatchFile): Promise<Existing> {
  const file = await loadBatchIfPresent(store, batch);
  if (file === null) return { root: store.uri, state: null, doneRows: 0 };
  const { state, doneRows } = await readState(store, batch, file);
  return { root: store.uri, state, doneRows };
}

function planLines(inputs: PlannedInputs, exists: Existing): string[] {
  const { planned, format, settings } = inputs;
  const { file, tally, sample } = planned;
  const { counts, profile } = file;
  const bytes = file.inputs.reduce((sum, input) => sum + input.bytes, 0);
  const blank = file.inputs.reduce((sum, input) => sum + input.blank, 0);
  const torn = file.inputs.filter((input) => input.torn > 0);
  const line = (name: string, text: string): string => `  ${name.padEnd(12)}${text}`;
  return [
    file.batch,
    line(
      "inputs",
      `${counted(file.inputs.length, "file")}, ${sizeText(bytes)}${blank === 0 ? "" : `, ${counted(blank, "blank line")}`}`,
    ),
    ...file.inputs
      .slice(0, 5)
      .map((input) => line("", `${printable(input.input, 60)}  ${counted(input.records, "record")}`)),
    ...(file.inputs.length > 5 ? [line("", `and ${count(file.inputs.length - 5)} more`)] : []),
    ...torn.map(({ input }) => line("", `${printable(input, 60)}: the last line is not whole and is left out`)),
    ...oddInputs(planned).map((text) => line("", text)),
    line("format", formatText(format)),
    ...[...tally.notes].map(([text, times]) => line("", `${counted(times, "record")}: ${text}`)),
    line("columns", file.columns.map(({ name, type }) => `in_${name} ${type}`).join(", ") || "none of the user's"),
    ...emptyColumns(inputs).map((name) => line("", `${printable(name, 60)}: no record has a value for it`)),
    ...(sample === null ? [] : [line("sample", sampleText(sample, settings.sample))]),
    line("records", `${count(counts.records)} with ${counted(counts.responses, "response")}`),
    line("rows", `${count(counts.rows)} in ${counted(file.chunks.length, "chunk")}`),
    line("bad", counts.bad === 0 ? "none" : `${counted(counts.bad, "record")}, which come out as bad_input`),
    ...[...tally.bad].map(([kind, { count: times, first, field }]) =>
      line("", `${count(times)} ${kind}${field === undefined ? "" : ` (${printable(field, 60)})`}, first at ${first}`),
    ),
    line("equal ids", equalIdsText(tally)),
    line("equal rows", equalText(tally, profile)),
    ...file.reuse.map((batch, i) => line(i === 0 ? "reuse" : "", batch)),
    line("left out", leftOut(tally)),
    line("profile", `${profile.name}: ${profile.description}`),
    ...(settings.records.recipe == null ? [] : [line("recipe", recipeText(settings.records.recipe))]),
    line("model", `${file.model}${file.revision === null ? "" : `@${file.revision}`}`),
    line("sampling", samplingText(profile, file.seed, file.samples)),
    ...(file.samples === 1
      ? []
      : [line("samples", `${file.samples} answers a row, combined by ${profile.combine ?? defaultCombine}`)]),
    line("responses", `strip reasoning ${file.strip}; template strings in texts: ${file.specials}`),
    line("night", nightText(counts.rows, profile, file.samples)),
    line("exists", existsText(exists)),
  ];
}

/** By which field principles are chosen, and the hash that batch.json keeps; a record's own principle stays. */
function recipeText(recipe: Recipe): string {
  const { name, by, principles, otherwise } = recipe;
  const choices = [...Object.entries(principles), ...(otherwise === null ? [] : [["otherwise", otherwise] as const])];
  const told = choices.map(
    ([value, texts]) => `${printable(value, 40)}: ${texts.map((text) => printable(text, 60)).join(" + ")}`,
  );
  return `${name} ${recipeSha256(recipe).slice(0, 16)}, by ${printable(by, 40)}: ${told.join("; ")}; where a record brings none`;
}

/** An end of the counting is said: "none" of the first two million is a guess about the rest. */
export function equalIdsText({ equalIds, ids }: Pick<WalkTally, "equalIds" | "ids">): string {
  const found = equalIds === 0 ? "none" : count(equalIds);
  return ids === null ? `${found} up to ${count(maxCountedIds)} different ones; not counted from there on` : found;
}

/** Rows that ask the same are asked each by itself: what that costs is the person's to know. */
function equalText({ equalRows }: WalkTally, profile: Profile): string {
  const equal = equalRows?.equal ?? null;
  if (equal === null) return "not counted: too many rows";
  if (equal === 0) return "none";
  const night = estimateNight(equal, profile);
  return `${count(equal)}, each asked by itself${night === null ? "" : `: ${duration(night.nodeHours * 3_600)} on one node`}`;
}

function formatText({ importer, detected }: InputFormat): string {
  return `${importer.name}${detected && importer.signs !== null ? ", found by the fields" : ""}: ${importer.title}`;
}

function sampleText({ chosen, of }: Sample, drawn: { readonly seed: number } | undefined): string {
  return `${count(chosen.size)} of ${counted(of, "record")}, drawn by seed ${drawn?.seed}`;
}

function leftOut(tally: WalkTally): string {
  if (tally.leftOut.size === 0) return "no field";
  return `${leftOutNames(tally)}; being long or nested: --carry-all takes them`;
}

/** Every parameter that is sent, since a server fills gaps from its checkpoint. */
function samplingText({ sampling, max_tokens, verdict }: Profile, seed: number | null, samples: number): string {
  const parameters = Object.entries(sampling).map(([name, value]) => `${name} ${value}`);
  return [
    ...parameters,
    `max_tokens ${count(max_tokens)}`,
    seed === null ? "no seed" : samples === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + samples - 1}`,
    `read ${verdict.read}${verdict.insist === true ? " and no other way" : ""}`,
  ].join(", ");
}

/** "20,000,000 rows; at 21,000 an hour and node (2,000 tokens a row, source) 40 days on one node" */
export function nightText(rows: number, profile: Profile, samples = 1): string {
  const night = estimateNight(rows, profile, samples);
  if (night === null) return `${counted(rows, "row")}; the profile states no rate`;
  const { rowsPerNodeHour, tokensPerRow, source, nodeHours } = night;
  return `${counted(rows, "row")}; at ${count(rowsPerNodeHour)} an hour and node (${counted(tokensPerRow, "token")} a row, ${source}) ${duration(nodeHours * 3_600)} on one node`;
}

function existsText(exists: Existing): string {
  if (exists === null) return "not asked: no --root is named";
  if (exists.state === null) return `not yet in ${exists.root}`;
  return `in ${exists.root}: ${exists.state}, ${counted(exists.doneRows, "row")} done`;
}

function planJson(inputs: PlannedInputs, exists: Existing) {
  const { planned, format, settings } = inputs;
  const { file, tally, sample } = planned;
  const { profile } = file;
  return {
    batch: file.batch,
    sha256: file.sha256,
    exists: exists === null ? null : exists.state !== null,
    state: exists?.state ?? null,
    inputs: file.inputs,
    format: format.importer.name,
    detected: format.detected,
    read_as: Object.fromEntries(tally.notes),
    columns: file.columns,
    empty_columns: emptyColumns(inputs),
    sample: sample === null ? null : { size: sample.chosen.size, of: sample.of, seed: settings.sample?.seed },
    ...file.counts,
    chunks: file.chunks.length,
    bad_kinds: [...tally.bad].map(([kind, { count: times, first, field }]) => ({ kind, count: times, first, field })),
    equal_rows: tally.equalRows?.equal ?? null,
    reuse: file.reuse,
    left_out: Object.fromEntries(tally.leftOut),
    profile: profile.name,
    model: file.model,
    revision: file.revision,
    recipe: file.recipe ?? null,
    sampling: { ...profile.sampling, max_tokens: profile.max_tokens, seed: file.seed },
    samples: file.samples,
    combine: file.samples === 1 ? null : (profile.combine ?? defaultCombine),
    read: profile.verdict.read,
    strip: file.strip,
    specials: file.specials,
    night: estimateNight(file.counts.rows, profile, file.samples),
  };
}
