import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { AssayError } from "@assay/core";
import type { DecodedShard, DecodeShard } from "./decode-shard.ts";

export interface Decoder {
  /**
   * One shard at a time, in the order of asking. Throws E_BROKEN, also when the time limit is over, and E_USAGE where the
   * current folder is gone.
   */
  readonly decode: DecodeShard;
  /** Ends the thread. What is still to be decoded rejects: E_BROKEN for the shard in work, E_ABORTED for those behind it. */
  close(): Promise<void>;
}

/**
 * Decodes shards in a thread that is ended when one takes longer than `timeLimitMs`: damaged bytes can make the
 * Parquet reader spin for ever. The thread is kept from shard to shard and made anew after it had to be ended.
 */
export function openDecoder(options: { timeLimitMs: number }): Decoder {
  let thread: Worker | null = null;
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;

  function start(): Worker {
    // flags of this process, such as the condition that reads packages from source, are not meant for the built file
    const worker = new Worker(threadFile(), { execArgv: [] });
    worker.on("error", forget).on("exit", forget);
    function forget(): void {
      if (thread === worker) thread = null;
    }
    return worker;
  }

  async function decodeNow(bytes: Uint8Array): Promise<DecodedShard> {
    // a thread that began now would keep the process
    if (closed) throw new AssayError("E_ABORTED", "the decoder was closed");
    thread ??= start();
    const worker = thread;
    return new Promise<DecodedShard>((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        // these three only: without its inner listeners a Worker never answers again
        worker.off("message", answered).off("error", ended).off("exit", ended);
      };
      const timer = setTimeout(() => {
        end();
        thread = null;
        void worker.terminate();
        reject(new AssayError("E_BROKEN", `decoding a shard did not end within ${options.timeLimitMs / 1_000} s`));
      }, options.timeLimitMs);
      const answered = (answer: Answer): void => {
        end();
        if (answer.ok) resolve(answer.decoded);
        else {
          const { message, where, expected, got } = answer;
          reject(
            new AssayError("E_BROKEN", message, {
              ...(where === undefined ? {} : { where }),
              ...(expected === undefined ? {} : { expected }),
              ...(got === undefined ? {} : { got }),
            }),
          );
        }
      };
      const ended = (cause: unknown): void => {
        end();
        reject(
          hasNoFolder(cause)
            ? noFolder(cause)
            : new AssayError("E_BROKEN", "decoding a shard ended the decoder's thread", { cause }),
        );
      };
      worker.on("message", answered).on("error", ended).on("exit", ended);
      worker.postMessage(bytes);
    });
  }

  return {
    decode(bytes) {
      const next = last.then(() => decodeNow(bytes));
      last = next.catch(() => {});
      return next;
    },
    async close() {
      closed = true;
      await thread?.terminate();
      thread = null;
    },
  };
}

/** Node asks for the current folder when a thread begins: says nothing about the shard. */
function hasNoFolder(cause: unknown): boolean {
  return typeof cause === "object" && cause !== null && "syscall" in cause && cause.syscall === "uv_cwd";
}

function noFolder(cause: unknown): AssayError {
  return new AssayError("E_USAGE", "the current folder is gone, and without one no thread can begin", {
    expected: "a folder that exists",
    next: "cd to a folder that exists, and run the same command again",
    cause,
  });
}

type Answer =
  | { readonly ok: true; readonly decoded: DecodedShard }
  | {
      readonly ok: false;
      readonly message: string;
      readonly where?: string;
      readonly expected?: string;
      readonly got?: string;
    };

/** Beside this file when built; from source (tests) the built one is used, since Node 20 runs no TypeScript threads. */
function threadFile(): URL {
  const built = import.meta.url.endsWith(".ts") ? "../dist/decode-thread.js" : "./decode-thread.js";
  const url = new URL(built, import.meta.url);
  if (!existsSync(fileURLToPath(url))) {
    throw new AssayError("E_INTERNAL", "the decoder's thread is not built", { next: "npm run build" });
  }
  return url;
}
