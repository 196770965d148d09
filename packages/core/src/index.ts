export {
  type BatchFile,
  type BatchSettings,
  batchFileSchema,
  batchName,
  batchNamePattern,
  batchSha256,
  type ChunkPlan,
  formatVersion,
  keepReasoningModes,
  layoutVersion,
  schemaVersion,
  specialsModes,
  stripModes,
} from "./batch-file.ts";
export { canonicalJson } from "./canonical-json.ts";
export {
  type Completion,
  type EngineFailure,
  type EngineFailureKind,
  type EngineOutcome,
  engineFailureKinds,
  type PositionLogprobs,
} from "./completion.ts";
export {
  type ControlEntry,
  type ControlState,
  controlEntrySchema,
  controlStates,
  initialControl,
  isEnded,
  isRunnable,
  mayFollow,
} from "./control.ts";
export type { ChatRequest, EngineRequest, ReadRequest } from "./engine-request.ts";
export {
  AssayError,
  type ErrorClass,
  type ErrorCode,
  type ErrorDetails,
  errorTable,
  exitCode,
  isAssayError,
  renderError,
  toAssayError,
} from "./error.ts";
export { type Pin, pinBytes, pinDifferences, pinSchema, pinSha256 } from "./pin.ts";
export {
  layoutSha256,
  type Profile,
  profileSchema,
  profileSha256,
  type VerdictForm,
  verdictIds,
} from "./profile.ts";
export {
  type ResultRow,
  type ResultSample,
  resultColumns,
  type ShardMetadata,
  shardMetadataKeys,
  type UserColumn,
  type UserColumnType,
  userColumnTypes,
} from "./result-row.ts";
export {
  type BadCode,
  type BadLine,
  badCodes,
  isBadLine,
  type Json,
  type Message,
  messageSchema,
  type ResponseLine,
  type Row,
  type RowsLine,
  rowsOf,
} from "./row.ts";
export { sha256 } from "./sha256.ts";
export { engineSideStatuses, isEngineSide, isUnasked, type Status, statuses } from "./status.ts";
export {
  batchKey,
  batchOfOpenKey,
  chunkOfShardKey,
  controlKey,
  controlPrefix,
  doneKey,
  donePrefix,
  jobId,
  maxChunks,
  openKey,
  openPrefix,
  partialPrefix,
  pinKey,
  probeKey,
  probePassedKey,
  queueName,
  rootKey,
  rowsKey,
  rowsPrefix,
  shardKey,
  shardPrefix,
  successKey,
  summaryKey,
} from "./store-keys.ts";
