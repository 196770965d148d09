export { chooseFormat } from "./choose-format.ts";
export { type ChosenInput, chooseInputs, inputKinds, pickInputs } from "./choose-inputs.ts";
export { type CardFacts, dataSetCard } from "./data-set-card.ts";
export { type DecodeKeys, decodeKeys } from "./decode-keys.ts";
export { type DecodedShard, type DecodeShard, decodeShard } from "./decode-shard.ts";
export { fileFormat } from "./decompress.ts";
export { importerByName } from "./detect-format.ts";
export { type EncodeShard, encodeShard } from "./encode-shard.ts";
export { type ByteSink, type ExportOptions, type ExportRow, exportFormats } from "./export-row.ts";
export { type Glob, globBase, isGlob, readGlob } from "./glob.ts";
export { createGroupStatistics, type GroupRow, type GroupStatistics } from "./group-table.ts";
export type { Importer } from "./importer.ts";
export { importers } from "./importers.ts";
export { type Decoder, openDecoder } from "./open-decoder.ts";
export {
  createPairChooser,
  type PairChooser,
  type PairTexts,
  type PreferencePair,
  pairLine,
} from "./preference-pairs.ts";
export { promptText } from "./prompt-text.ts";
export { type ReadRecord, type RecordBatch, readJsonl } from "./read-jsonl.ts";
export { type ReadRecords, type ReadSettings, readOwnRecords, recordReader } from "./read-records.ts";
export { type DataSetFile, type MakeFile, writeDataSet } from "./write-data-set.ts";
export { writeExport } from "./write-export.ts";
export { writeGroups } from "./write-groups.ts";
