import type { ObjectStore } from "@assay/store";
import { listedAtOnce, listOrder, listWindow, longList } from "./listing-laws.ts";
import {
  abortedCalls,
  abortedMidway,
  absentIsNull,
  badKeys,
  neverReplaced,
  oddKeys,
  oneWinner,
  putAfterRemoval,
  removal,
  roundTrip,
} from "./object-laws.ts";

/** One law. `run` is given a store over an empty root of its own and throws where the law is broken. */
export interface StoreCase {
  readonly name: string;
  run(store: ObjectStore): Promise<void>;
}

/**
 * What every store promises (port.ts of @assay/store), as cases for whatever runs tests. `listedKeys` is the size of
 * the longest listing: more than one page of the store under test.
 */
export function storeContract(options: { listedKeys: number }): readonly StoreCase[] {
  return [
    { name: "of 50 racers on one key exactly one wins, and its bytes are what is stored", run: oneWinner },
    { name: "an object stays as it was first put", run: neverReplaced },
    { name: "what is not there is null: get, head, read, ranges; and lists nothing", run: absentIsNull },
    { name: "bytes come back as they were, whole and by ranges: none, one, every value, 5 MB", run: roundTrip },
    { name: "keys with spaces, %, + and letters of all kinds are names like others", run: oddKeys },
    { name: "lists ascend by UTF-8 bytes", run: listOrder },
    { name: "lists begin with the prefix, behind `after`, and end at `limit`", run: listWindow },
    { name: "a long listing has every key once, in order", run: (store) => longList(store, options.listedKeys) },
    { name: "what was put is listed at once", run: listedAtOnce },
    { name: "only partial/ and _tmp/ lose objects; removing what is absent is fine", run: removal },
    { name: "a removed key can be put again", run: putAfterRemoval },
    { name: "keys that mean two things or leave the root are refused", run: badKeys },
    { name: "a signal that is aborted ends every call with E_ABORTED", run: abortedCalls },
    { name: "a signal aborted between two items ends a listing and a stream", run: abortedMidway },
  ];
}
