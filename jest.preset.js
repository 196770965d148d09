/** Ends a test that hangs. A slow machine is no fault: five seconds, jest's own limit, pass on two busy cores. */
export const testTimeout = 60_000;

// Tests run from source: the export condition lets every package be read as TypeScript without a build.
export default {
  testEnvironment: "node",
  testEnvironmentOptions: { customExportConditions: ["@assay/source", "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts"],
  testMatch: ["<rootDir>/**/*.test.ts"],
  // of one package alone; jest.config.js says it for all of them
  testTimeout,
  testPathIgnorePatterns: ["/node_modules/", "/dist/"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      {
        jsc: { target: "es2022", parser: { syntax: "typescript" } },
        module: { type: "es6" },
        sourceMaps: "inline",
      },
    ],
  },
};
