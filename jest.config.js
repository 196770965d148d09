import { testTimeout } from "./jest.preset.js";

// jest hears these limits from here alone, not from its projects
export default {
  projects: ["<rootDir>/packages/*", "<rootDir>/apps/*", "<rootDir>/test"],
  testTimeout,
  // every test file leaves its modules behind, some 18 MB: 220 of them in one process are more than Node's heap of 4 GB
  workerIdleMemoryLimit: "1500MB",
};
