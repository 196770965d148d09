import type { Generated, Written } from "./generation.ts";

/** What differs between the streams of the two paths. Asked for in order. */
export interface StreamPieces {
  /** what every event says of itself */
  readonly head: { readonly id: string; readonly object: string };
  /** the event before the first token; null where there is none */
  opening(): object | null;
  /** the event with the tokens from `from` to before `end` */
  tokens(from: number, end: number, written: Written): object;
  usage(generated: Generated): object;
}
