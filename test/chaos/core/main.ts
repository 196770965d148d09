import { runCore } from "./run-core.ts";

process.exitCode = await runCore(process.argv.slice(2), (line) => console.log(line));
