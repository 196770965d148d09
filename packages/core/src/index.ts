export { askBothWays, type BothWays } from "./ask-both-ways.ts";
export { type Asked, askVerdict, type Complete } from "./ask-verdict.ts";
export { BadRecord, type BadValue, badAsValue, readText } from "./bad-record.ts";
export {
  type BatchFile,
  type BatchSettings,
  batchFileSchema,
  batchName,
  batchSha256,
  type ChunkPlan,
  formatVersion,
  keepReasoningModes,
  layoutVersion,
  schemaVersion,
  specialsModes,
  stripModes,
} from "./batch-file.ts";
export { benchmarkColumns } from "./benchmark-columns.ts";
export {
  type BuildSettings,
  type BuiltRequest,
  buildReadRequest,
  buildRequest,
  inWay,
  prepareRow,
} from "./build-request.ts";
export { builtInProfiles, profileByName, profileForModel } from "./built-in-profiles.ts";
export { canonicalJson } from "./canonical-json.ts";
export { cardIds, cardPolicies, hasCardPolicies, type PolicyGiven } from "./card-policies.ts";
export { decodeCheckpoint, encodeCheckpoint, isWorthKeeping } from "./checkpoint.ts";
export { type ChunkOrder, chunkOrders, chunksInOrder, runsMixed } from "./chunk-order.ts";
export { classifyError, type ForeignFault } from "./classify-error.ts";
export { combineOutcomes, type SampleOutcome } from "./combine-outcomes.ts";
export {
  type CombineRule,
  combineRules,
  combineSamples,
  defaultCombine,
  mostSamples,
  sampleSeed,
} from "./combine-samples.ts";
export type { Completion, EngineFailure, EngineFailureKind, EngineOutcome, PositionLogprobs } from "./completion.ts";
export { completionFromChat, completionFromText } from "./completion-from-answer.ts";
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
export { AssayError, type ErrorCode, errorTable, exitCode, isAssayError, renderError, toAssayError } from "./error.ts";
export { estimateNight } from "./estimate.ts";
export { type Explanation, explainRow, lineOfRow, type StoredRow } from "./explain-row.ts";
export { chunkFailedAsAWhole, createFailureBudget, type FailureBudget } from "./failure-budget.ts";
export { failureFromHttp } from "./failure-from-http.ts";
export { findVerdict, logprobsAt } from "./find-verdict.ts";
export { type ChunkCost, type Forecast, forecast } from "./forecast.ts";
export { type SecondSeen, seenWindow, whyHandOver } from "./hand-over.ts";
export type { InputBytes, RangeReader } from "./input-bytes.ts";
export { emptyOutcome, makeBadRow, makeResultRow, type RowOutcome, userCells } from "./make-result-row.ts";
export { makeReusedRow } from "./make-reused-row.ts";
export { checkMissingPolicy, exportedReward, type MissingPolicy, missingPolicies } from "./missing-reward.ts";
export { compareNatural } from "./natural-order.ts";
export { neutraliseSpecials } from "./neutralise-specials.ts";
export {
  endsConversation,
  type NormalisedRecord,
  normaliseRecord,
  type RecordSettings,
  type ResponseFields,
} from "./normalise-record.ts";
export { parseRows } from "./parse-rows.ts";
export { type Pin, pinBytes, pinDifferences, pinSchema, pinSha256, serverOfPin } from "./pin.ts";
export { createChunker, type PlannedChunk } from "./plan-batch.ts";
export {
  groupRows,
  isGuilty,
  isNarrower,
  isSuspect,
  outlivedBy,
  provenBy,
  type RowGroup,
  readHistory,
  settledKey,
} from "./poison.ts";
export {
  hasVerdictIds,
  layoutSha256,
  type Profile,
  profileSha256,
  resolveForms,
  verdictIds,
  verdictRule,
} from "./profile.ts";
export { type PromptPrefix, promptPrefix } from "./prompt-prefix.ts";
export { readVerdict, type VerdictRead } from "./read-verdict.ts";
export { type ReadWay, readWays, type ServerForm, vllmForm } from "./read-way.ts";
export {
  comparedRows,
  makeReadsFile,
  type ReadPair,
  type ReadsFile,
  readsBytes,
  readsFileSchema,
} from "./reads-file.ts";
export { type Recipe, recipeSchema, recipeSha256 } from "./recipe.ts";
export { inputStem, recordLines, serialiseLine } from "./record-lines.ts";
export { renderPlain } from "./render-plain.ts";
export { canSayOpenai, chatBody, readBody } from "./request-body.ts";
export {
  type ResultRow,
  type ResultSample,
  resultColumns,
  type ShardMetadata,
  shardMetadataKeys,
  type UserColumn,
  userColumnTypes,
} from "./result-row.ts";
export {
  defaultRetryStatuses,
  isSameRetry,
  narrowLine,
  newestResult,
  parseRetryStatuses,
  type RetryLink,
  retryLinkBytes,
  retryLinkSchema,
  retryProfile,
  retrySettings,
  unretryableStatuses,
} from "./retry.ts";
export { reward } from "./reward.ts";
export {
  type BadCode,
  badCodes,
  isBadLine,
  type Message,
  type ResponseLine,
  type Row,
  type RowsLine,
  rowsOf,
} from "./row.ts";
export { rowKey } from "./row-key.ts";
export { seededUint32 } from "./seeded-uint32.ts";
export { checkProfile, setProfile } from "./set-profile.ts";
export { sha256 } from "./sha256.ts";
export { isEngineSide, type Status, statuses } from "./status.ts";
export { statusMeanings } from "./status-meaning.ts";
export { assertDepth, assertNumbers, assertText } from "./storable-json.ts";
export {
  aloneKey,
  amongKey,
  batchKey,
  batchOfOpenKey,
  checkpointKey,
  chunkOfShardKey,
  chunkPartialPrefix,
  controlKey,
  controlPrefix,
  doneKey,
  donePrefix,
  endKey,
  jobId,
  livedKey,
  openKey,
  openPrefix,
  type PartialFile,
  parentOfRetry,
  partialPrefix,
  pinKey,
  probeKey,
  probePassedKey,
  queueName,
  readPartialKey,
  readsKey,
  retriesPrefix,
  retryKey,
  retryName,
  rootKey,
  rowsKey,
  shardKey,
  shardPrefix,
  startKey,
  successKey,
  summaryKey,
} from "./store-keys.ts";
export { stripReasoning } from "./strip-reasoning.ts";
export { templateBreach } from "./template-breach.ts";
export { visibleText } from "./visible-text.ts";
export { decodeWorkerState, encodeWorkerState, type WorkerState } from "./worker-state.ts";
