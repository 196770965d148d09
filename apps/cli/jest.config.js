import preset from "../../jest.preset.js";

export default { ...preset, setupFiles: ["<rootDir>/test/called-as-assay.ts"] };
