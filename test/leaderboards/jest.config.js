import preset from "../../jest.preset.js";

// its own suffix: minutes of a core, which a plain `npm test` does not take
export default { ...preset, testMatch: ["<rootDir>/*.suite.ts"] };
