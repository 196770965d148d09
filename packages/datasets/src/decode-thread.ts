import { parentPort } from "node:worker_threads";
import { toAssayError } from "@assay/core";
import { decodeShard } from "./decode-shard.ts";

/** The other side of openDecoder: decodes what it is sent, one shard at a time. */
parentPort?.on("message", (bytes: Uint8Array) => {
  decodeShard(bytes).then(
    (decoded) => parentPort?.postMessage({ ok: true, decoded }),
    (error: unknown) => {
      const { message, where, expected, got } = toAssayError(error);
      parentPort?.postMessage({ ok: false, message, where, expected, got });
    },
  );
});
