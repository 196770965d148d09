import type { ResponseFields, UserColumn } from "@assay/core";

/** A parsed record of the input, before anybody has looked at its fields. */
export interface RawRecord {
  readonly [field: string]: unknown;
}

/**
 * A format of records: how one of them becomes a record of ours. A file in importers/, a fixture, and a line
 * in importers.ts. Pure; what is wrong with a record is thrown as a BadRecord that names the field as the user does.
 */
export interface Importer {
  /** as --format names it */
  readonly name: string;
  /** one line for the plan and --help */
  readonly title: string;
  /** the field names that only this format has: all of `all`, one of `any`, none of `none`; null = has to be named */
  readonly signs: {
    readonly all: readonly string[];
    readonly any?: readonly string[];
    readonly none?: readonly string[];
  } | null;
  /** what is wrong with a file whose first record has these fields, and what to do: it is half of what is needed */
  readonly lacks?: (fields: ReadonlySet<string>) => { readonly what: string; readonly next: string } | null;
  /** labels and fields of the format: in_<name> of every shard. A value that does not fit makes a record bad. */
  readonly columns: readonly UserColumn[];
  /** a labelled data set is judged as it stands: --strip-reasoning is off unless the user asks for it */
  readonly labelled?: boolean;
  /** our field name -> theirs, where a field is taken as it is; null = the user's --map */
  readonly map: { readonly [ours: string]: string } | null;
  /** fields without use here and of any size: they come as null and are never held */
  readonly cut?: readonly string[];
  toRecord(raw: RawRecord, from: Origin): ImportedRecord;
}

/** What an importer may know beside the record itself. */
export interface Origin {
  /** the input's label: a path below the common parent */
  readonly input: string;
  /** all typed columns of the batch, the user's included */
  readonly columns: readonly UserColumn[];
  /** the user's --map */
  readonly map: { readonly [ours: string]: string };
}

export interface ImportedRecord {
  /** our fields, and what shall be carried along; fields that are used up are left out */
  readonly record: RawRecord;
  /** columns that differ between the responses, one entry a response */
  readonly perResponse?: readonly ResponseFields[];
  /** how it had to be read, where there was a choice: counted, and said in the plan */
  readonly note?: string;
}
