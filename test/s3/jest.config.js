import preset from "../../jest.preset.js";

// its own suffix: a plain `npm test` has no server to run this against
export default { ...preset, testMatch: ["<rootDir>/*.suite.ts"] };
