export type { FaultAmount, SimulatorFaults } from "./faults.ts";
export type { SimulatorOptions } from "./options.ts";
export { simulatorVersion } from "./options.ts";
export { simulatorOwner } from "./routes.ts";
export { type Simulator, type SimulatorStats, startSimulator } from "./start-simulator.ts";
