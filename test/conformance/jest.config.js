import preset from "../../jest.preset.js";

// its own suffix: a plain `npm test` runs the cases against the simulator, and has no vLLM
export default { ...preset, testMatch: ["<rootDir>/*.suite.ts"] };
