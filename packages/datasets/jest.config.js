import preset from "../../jest.preset.js";

// DuckDB, threads and 200 MB streams on a busy machine of two cores: five seconds are no sign of a fault here
export default { ...preset, testTimeout: 60_000 };
