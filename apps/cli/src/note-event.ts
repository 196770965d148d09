import type { AssayError } from "@assay/core";
import type { WorkerEvent } from "@assay/scoring";
import { printable } from "./histogram.ts";
import { counted, note } from "./say.ts";
import { systemClock } from "./system-clock.ts";

/** What a worker says besides its chunks. */
export function noteEvent(event: Exclude<WorkerEvent, { type: "chunk" }>, tell: (event: unknown) => void): void {
  if (event.type === "paused") {
    note(`${event.batch} is paused: ${printable(event.reason, 1_000)}`);
    tell({ type: "paused", batch: event.batch, reason: event.reason });
  } else if (event.type === "refused") {
    note(`${event.batch} is left alone: ${event.error.code} ${event.error.message}`);
    tell({ type: "refused", batch: event.batch, code: event.error.code, message: event.error.message });
  } else if (event.type === "way") {
    const { batch, engine, way, reason } = event;
    note(`${batch}: rows on ${engine} are read by ${way} from now on: ${reason}`);
    tell({ type: "way", batch, engine, way, reason });
  } else if (event.type === "spooled") {
    const { batch, chunk, rows } = event;
    note(`${batch}: ${counted(rows, "finished row")} of chunk ${chunk} on this host's disk until the store is back`);
    tell({ type: "spooled", batch, chunk, rows });
  } else if (event.type === "unspooled") {
    note(`took ${counted(event.checkpoints, "checkpoint")} from this host's disk into the store`);
    tell({ type: "unspooled", checkpoints: event.checkpoints });
  } else if (event.type === "away") {
    noteAway(event.error);
  }
}

let lastAwayAt = 0;

/** What is away for an hour is said once a minute. */
function noteAway({ message, where, got }: AssayError): void {
  if (systemClock.now() - lastAwayAt < 60_000) return;
  lastAwayAt = systemClock.now();
  const details = [where, got].filter((text) => text !== undefined).join(": ");
  note(`waiting: ${message}${details === "" ? "" : ` (${details})`}`);
}
