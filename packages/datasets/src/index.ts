export { type ChosenInput, chooseInputs, globBase, isGlob, isJsonl, matchesGlob } from "./choose-inputs.ts";
export { type DecodedShard, type DecodeShard, decodeShard } from "./decode-shard.ts";
export { type EncodeShard, encodeShard } from "./encode-shard.ts";
export { type Decoder, openDecoder } from "./open-decoder.ts";
export { type ReadRecord, type ReadRecords, type RecordBatch, readJsonl } from "./read-jsonl.ts";
export { type ExportOptions, type ExportRow, writeExport } from "./write-export.ts";
