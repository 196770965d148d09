import { canRedraw, count, counted, duration, note, redraw } from "./say.ts";

/** Rows done at a moment, in milliseconds. */
interface Point {
  readonly at: number;
  readonly rows: number;
}

/** Speed is measured over this long: an engine's restart or a batch's slow part shows within minutes. */
const windowMs = 300_000;
/** Before so many chunks or seconds a speed says more about the start than about the night. */
const warmUpChunks = 3;
const warmUpMs = 5_000;

/** Rows per second over the last minutes; null while too little is known. Times are handed in. */
export function createSpeed(startedAt: number, startRows: number) {
  const points: Point[] = [{ at: startedAt, rows: startRows }];
  let chunks = 0;
  return {
    add(at: number, rows: number): void {
      chunks += 1;
      points.push({ at, rows });
      while (points.length > 2 && at - (points[1]?.at ?? at) > windowMs) points.shift();
    },
    rowsPerSecond(now: number): number | null {
      const first = points[0];
      const last = points.at(-1);
      if (first === undefined || last === undefined || chunks < warmUpChunks || now - startedAt < warmUpMs) return null;
      return ((last.rows - first.rows) * 1_000) / Math.max(1, now - first.at);
    },
  };
}

/** `scoring  612,340/1,000,000 rows  61 %  184 rows/s  failed 12  ETA 35 min` */
export function progressText(
  what: string,
  seen: { rows: number; total: number; failed: number | null; rowsPerSecond: number | null },
): string {
  const { rows, total, failed, rowsPerSecond } = seen;
  const share = total === 0 ? 100 : Math.floor((100 * rows) / total);
  const eta =
    rows >= total
      ? null
      : rowsPerSecond === null || rowsPerSecond <= 0
        ? "warming up"
        : duration((total - rows) / rowsPerSecond);
  return [
    what,
    `${count(rows)}/${count(total)} rows`,
    `${share} %`,
    ...(rowsPerSecond === null ? [] : [`${rate(rowsPerSecond)} rows/s`]),
    ...(failed === null ? [] : [`failed ${count(failed)}`]),
    ...(eta === null ? [] : [`ETA ${eta}`]),
  ].join("  ");
}

/** `scored 12,340 rows in 60 chunks  184 rows/s  failed 12` */
export function workerText(seen: {
  rows: number;
  chunks: number;
  failed: number;
  rowsPerSecond: number | null;
}): string {
  const { rows, chunks, failed, rowsPerSecond } = seen;
  return [
    `scored ${counted(rows, "row")} in ${counted(chunks, "chunk")}`,
    ...(rowsPerSecond === null ? [] : [`${rate(rowsPerSecond)} rows/s`]),
    `failed ${count(failed)}`,
  ].join("  ");
}

function rate(perSecond: number): string {
  return perSecond < 10 ? String(Number(perSecond.toFixed(1))) : count(Math.round(perSecond));
}

/** At most so often on a terminal; and one plain line so often elsewhere. */
const redrawMs = 100;
const plainMs = 60_000;

/**
 * Shows how far something is on stderr: one redrawn line on a terminal, else, also from the moment on when the terminal
 * is gone, a plain line a minute. `text` is asked when it is time to show it. Stop it before the last words.
 */
export function showProgress(text: () => string): { stop(): void } {
  let plainAt = Date.now();
  const show = (): void => {
    if (canRedraw()) {
      redraw(text());
      return;
    }
    // the timer may run on at the pace of a terminal that has gone; it may be a little early, too
    if (Date.now() - plainAt < plainMs - redrawMs) return;
    plainAt = Date.now();
    note(`${new Date().toISOString().slice(0, 19)}Z  ${text()}`);
  };
  const timer = setInterval(show, canRedraw() ? redrawMs : plainMs);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      if (canRedraw()) redraw(null);
    },
  };
}
