import type { S3Request } from "./answer-s3.ts";

/**
 * What goes wrong, as data. The first fault of the list that fits a request and has turns left is used up by it; a
 * fault without `action` and `key` fits every request, so a plain list is a script in order.
 */
export interface S3Fault {
  readonly does: /** works, then drops the connection before a byte of the answer: the lost response */
    | "lose-answer"
    /** works, then never answers */
    | "hang-after"
    /** drops the connection without working */
    | "drop"
    /** accepts and never answers, without working */
    | "hang"
    /** answers with half of the body, then drops the connection */
    | "cut-body"
    /** answers with half of the body, then stays silent */
    | "hang-body"
    /** a put with If-None-Match whose key is taken replaces the object and answers 200; once = two winners */
    | "ignore-condition"
    /** a page of a listing that says there is more and not where */
    | "lose-token"
    /** does not work, answers `status` and `code` */
    | "refuse";
  readonly action?: S3Request["action"];
  /** the whole key in the bucket */
  readonly key?: string;
  /** how many requests it meets, 1 when absent; Infinity = all */
  readonly times?: number;
  /** for "refuse"; a code of "" sends no XML, as proxies do */
  readonly status?: number;
  readonly code?: string;
}

/** Hands out faults in order, each as often as it says. */
export function faultScript(faults: readonly S3Fault[]): (request: S3Request, keyIsTaken: boolean) => S3Fault | null {
  const left = faults.map((fault) => fault.times ?? 1);
  return (request, keyIsTaken) => {
    const at = faults.findIndex((fault, i) => {
      if ((left[i] ?? 0) <= 0) return false;
      if (fault.action !== undefined && fault.action !== request.action) return false;
      if (fault.key !== undefined && fault.key !== request.key) return false;
      // a lie that changes nothing is not one: its turn is kept for the put that would have been refused
      return fault.does !== "ignore-condition" || (keyIsTaken && request.headers["if-none-match"] === "*");
    });
    const fault = faults[at];
    if (fault === undefined) return null;
    left[at] = (left[at] ?? 0) - 1;
    return fault;
  };
}
