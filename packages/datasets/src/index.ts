export { type ChosenInput, chooseInputs, globBase, isGlob, isJsonl, matchesGlob } from "./choose-inputs.ts";
export { type CardFacts, dataSetCard } from "./data-set-card.ts";
export { type DecodeKeys, decodeKeys } from "./decode-keys.ts";
export { type DecodedShard, type DecodeShard, decodeShard } from "./decode-shard.ts";
export { type EncodeShard, encodeShard } from "./encode-shard.ts";
export { type ByteSink, type ExportOptions, type ExportRow, exportFormats } from "./export-row.ts";
export { createGroupStatistics, type GroupRow, type GroupStatistics } from "./group-table.ts";
export { type Decoder, openDecoder } from "./open-decoder.ts";
export {
  createPairChooser,
  type PairChooser,
  type PairTexts,
  type PreferencePair,
  pairLine,
} from "./preference-pairs.ts";
export { type ReadRecord, type ReadRecords, type RecordBatch, readJsonl } from "./read-jsonl.ts";
export { type DataSetFile, writeDataSet } from "./write-data-set.ts";
export { writeExport } from "./write-export.ts";
export { writeGroups } from "./write-groups.ts";
