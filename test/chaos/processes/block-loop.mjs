import { isMainThread } from "node:worker_threads";

// For `node --import` in a worker under test: SIGUSR2 blocks its event loop for longer than its lease.
const blockedMs = 26_000;

if (isMainThread) {
  process.on("SIGUSR2", () => {
    const end = Date.now() + blockedMs;
    while (Date.now() < end);
  });
}
