import { writeSync } from "node:fs";
import { visibleText } from "@assay/core";

/**
 * Where words go: results to stdout, all else to stderr, so that `assay submit … | xargs` sees only the name. Names of
 * files and texts of users may hold anything: a terminal obeys none of it. Programs get results as they are.
 */

export function result(text: string): void {
  const isSeen = process.stdout.isTTY === true && !files.has("stdout");
  aroundLine(() => write("stdout", `${isSeen ? text.replace(/[^\n\t]+/g, visibleText) : text}\n`));
}

export function resultJson(value: unknown): void {
  result(JSON.stringify(value));
}

/** One line; a name with a newline in it does not become two. */
export function note(text: string): void {
  writeNote(visibleText(text));
}

let writeNote = (text: string): void => aroundLine(() => write("stderr", `${text}\n`));

/** Notes go elsewhere from now on: into a log of JSON lines, which plain words would break. */
export function noteInto(write: (text: string) => void): void {
  writeNote = write;
}

type Stream = "stdout" | "stderr";
const files = new Map<Stream, number>();

/** What goes to this stream goes into an open file from now on: its terminal is gone. */
export function sayInto(stream: Stream, fd: number): void {
  line = null;
  files.set(stream, fd);
}

/** To stdout or stderr as it is, or to the file that took its place. */
export function write(stream: Stream, text: string): void {
  const fd = files.get(stream);
  if (fd === undefined) {
    process[stream].write(text);
    return;
  }
  try {
    writeSync(fd, text);
  } catch {
    // a full disk costs words, not work
  }
}

/** Is there a terminal on which a line can be drawn again? */
export function canRedraw(): boolean {
  return !files.has("stderr") && process.stderr.isTTY === true && process.env.TERM !== "dumb";
}

/** Columns of the terminal that people look at; 80 where nobody does. */
export function terminalWidth(): number {
  return process.stderr.columns ?? process.stdout.columns ?? 80;
}

let line: string | null = null;

/** Draws the one line that stands below everything else; null takes it away. Only where `canRedraw()`. */
export function redraw(text: string | null): void {
  const clear = line === null ? "" : "\r\x1b[K";
  line = text === null ? null : text.slice(0, Math.max(1, terminalWidth() - 1));
  process.stderr.write(clear + (line ?? ""));
}

/** What is written above the redrawn line must not end up behind it. */
function aroundLine(tell: () => void): void {
  if (line === null) {
    tell();
    return;
  }
  process.stderr.write("\r\x1b[K");
  tell();
  process.stderr.write(line);
}

export function count(n: number): string {
  return n.toLocaleString("en-US");
}

/** "1 row", "2,000 rows" */
export function counted(n: number, one: string): string {
  return `${count(n)} ${n === 1 ? one : `${one}s`}`;
}

/** 12 bytes, 4.1 kB, 3.25 GB */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return counted(bytes, "byte");
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1_000 ** power).toPrecision(3))} ${units[power - 1]}`;
}

/** 0.4 s, 42 s, 3 min 5 s, 2 h 10 min, 40 days */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min${s % 60 === 0 ? "" : ` ${s % 60} s`}`;
  if (s < 172_800)
    return `${Math.floor(s / 3_600)} h${Math.floor((s % 3_600) / 60) === 0 ? "" : ` ${Math.floor((s % 3_600) / 60)} min`}`;
  return `${count(Math.round(s / 86_400))} days`;
}
