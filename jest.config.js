import { testTimeout } from "./jest.preset.js";

// jest hears a time limit from here alone, not from its projects
export default { projects: ["<rootDir>/packages/*", "<rootDir>/apps/*", "<rootDir>/test"], testTimeout };
