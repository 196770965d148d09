/** One line of the probe, as `assay doctor` prints it. */
export interface EngineCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly expected?: string;
  /** what would mend it */
  readonly next?: string;
}

/** Notes a line that is fine; `next` is what would make it better. */
export type Pass = (name: string, found: string, next?: string) => void;
/** Notes a line that is not, and ends the probe. */
export type Fail = (name: string, found: string, expected: string, next?: string) => never;
