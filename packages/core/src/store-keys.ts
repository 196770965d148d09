/** Every name in a root. Nobody else spells a key. Keys are relative to the root, "/" between parts. */

export const maxChunks = 999_999;

const six = (n: number): string => String(n).padStart(6, "0");

export const rootKey = "assay.json";
export const openPrefix = "_batches/";
export const donePrefix = "_done/";

/** Index entry whose ascending LIST is newest first. `ms` is the epoch time of submission. */
export function openKey(batch: string, ms: number): string {
  return `${openPrefix}${String(9_999_999_999_999 - ms).padStart(13, "0")}-${batch}`;
}

export function batchOfOpenKey(key: string): string {
  return key.slice(openPrefix.length + 14);
}

export function doneKey(batch: string): string {
  return `${donePrefix}${batch}`;
}

/** `day` is yyyy-mm-dd in UTC. */
export function probeKey(day: string, random: string): string {
  return `_probe/${day}-${random}`;
}
export function probePassedKey(day: string): string {
  return `_probe/${day}.ok`;
}

export function rowsKey(batch: string, chunk: number): string {
  return `${batch}/rows/${six(chunk)}.jsonl.gz`;
}
export function batchKey(batch: string): string {
  return `${batch}/batch.json`;
}
export function pinKey(batch: string): string {
  return `${batch}/pin.json`;
}
export function readsKey(batch: string): string {
  return `${batch}/reads.json`;
}
export function controlPrefix(batch: string): string {
  return `${batch}/control/`;
}
export function controlKey(batch: string, n: number): string {
  return `${batch}/control/${six(n)}.json`;
}
export function retriesPrefix(batch: string): string {
  return `${batch}/retries/`;
}
export function retryKey(batch: string, n: number): string {
  return `${batch}/retries/${String(n).padStart(4, "0")}.json`;
}
/** The child batch that the n-th retry of a batch makes. */
export function retryName(batch: string, n: number): string {
  return `${batch}-r${n}`;
}
/** What a child's name says of it; null for every other name: those end in 16 hex digits, which hold no "r". */
export function parentOfRetry(name: string): { batch: string; retry: number } | null {
  const match = /^(.+-[0-9a-f]{16})-r([1-9]\d{0,3})$/.exec(name);
  return match?.[1] === undefined ? null : { batch: match[1], retry: Number(match[2]) };
}
export function shardPrefix(batch: string): string {
  return `${batch}/rewards/`;
}
export function shardKey(batch: string, chunk: number): string {
  return `${batch}/rewards/${six(chunk)}.parquet`;
}
export function partialPrefix(batch: string): string {
  return `${batch}/partial/`;
}
/** Everything that attempts at one chunk left: checkpoints and markers. */
export function chunkPartialPrefix(batch: string, chunk: number): string {
  return `${partialPrefix(batch)}${six(chunk)}/`;
}
/** `attempt` is 16 random hex digits, so that no two attempts ever put the same key. */
export function checkpointKey(batch: string, chunk: number, attempt: string, seq: number): string {
  return `${chunkPartialPrefix(batch, chunk)}${attempt}-${six(seq)}.jsonl.gz`;
}
/** Put before an attempt sends its first row; an attempt without `.end` died. */
export function startKey(batch: string, chunk: number, attempt: string): string {
  return `${chunkPartialPrefix(batch, chunk)}${attempt}.start`;
}
export function endKey(batch: string, chunk: number, attempt: string): string {
  return `${chunkPartialPrefix(batch, chunk)}${attempt}.end`;
}
/** Put for an attempt without an end by one that began after it: the engines that it was alone on have outlived it. */
export function livedKey(batch: string, chunk: number, attempt: string): string {
  return `${chunkPartialPrefix(batch, chunk)}${attempt}.lived`;
}
/** Put before a row is sent that was in flight at a death. */
export function amongKey(batch: string, chunk: number, attempt: string, rowIndex: number): string {
  return `${chunkPartialPrefix(batch, chunk)}${attempt}.among-${rowIndex}`;
}
/** The same where its engine works on nothing else; `life` names that engine's process, null where it does not tell. */
export function aloneKey(batch: string, chunk: number, attempt: string, rowIndex: number, life: string | null): string {
  return `${chunkPartialPrefix(batch, chunk)}${attempt}.alone-${rowIndex}${life === null ? "" : `-${life}`}`;
}

/** What a key below partial/ says; `n` is a checkpoint's number or an among or alone marker's row_index, else 0. */
export interface PartialFile {
  readonly chunk: number;
  readonly attempt: string;
  readonly kind: "rows" | "start" | "end" | "lived" | "among" | "alone";
  readonly n: number;
  /** of an alone marker: the engine's process, 8 hex digits; null where it was not told */
  readonly life: string | null;
}

/** Null when it is none of ours. */
export function readPartialKey(key: string): PartialFile | null {
  const match =
    /\/partial\/(\d{6})\/([0-9a-f]{16})(?:-(\d{6})\.jsonl\.gz|\.(start|end|lived)|\.(among)-(\d{1,16})|\.(alone)-(\d{1,16})(?:-([0-9a-f]{8}))?)$/.exec(
      key,
    );
  if (match === null) return null;
  const [, chunk, attempt = "", seq, marker, among, amongRow, alone, aloneRow, life = null] = match;
  const kind = seq === undefined ? ((marker ?? among ?? alone) as Exclude<PartialFile["kind"], "rows">) : "rows";
  return { chunk: Number(chunk), attempt, kind, n: Number(seq ?? amongRow ?? aloneRow ?? 0), life };
}

export function summaryKey(batch: string): string {
  return `${batch}/summary.json`;
}
export function successKey(batch: string): string {
  return `${batch}/_SUCCESS`;
}

/** The chunk number in `…/rewards/000123.parquet`, or null when the key is not a shard's. */
export function chunkOfShardKey(key: string): number | null {
  const match = /\/rewards\/(\d{6})\.parquet$/.exec(key);
  return match === null ? null : Number(match[1]);
}

/** The queue's job id. BullMQ refuses ":" and plain integers. */
export function jobId(batch: string, chunk: number): string {
  return `${batch}.c${six(chunk)}`;
}

/** Queue name of a root and a served model: processes that mean the same two meet, others never do. */
export function queueName(rootId: string, modelSha256: string): string {
  return `assay.${rootId}.${modelSha256.slice(0, 8)}`;
}
