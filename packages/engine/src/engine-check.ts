/** One line of the probe, as `assay doctor` prints it. */
export interface EngineCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly expected?: string;
  /** what would mend it */
  readonly next?: string;
}
