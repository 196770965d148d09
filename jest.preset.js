// Tests run from source: the export condition lets every package be read as TypeScript without a build.
export default {
  testEnvironment: "node",
  testEnvironmentOptions: { customExportConditions: ["@assay/source", "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts"],
  testMatch: ["<rootDir>/**/*.test.ts"],
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
