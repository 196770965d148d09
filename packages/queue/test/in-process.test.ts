import { describe } from "@jest/globals";
import { inProcessQueue } from "../src/in-process.ts";
import { queueContract } from "./queue-contract.ts";

describe("in-process queue", () => {
  queueContract(async () => {
    const queue = inProcessQueue("assay.test");
    return { a: queue, b: queue, close: () => queue.close() };
  });
});
