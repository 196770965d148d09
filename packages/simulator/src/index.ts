export type { FaultAmount, SimulatorFaults } from "./faults.ts";
export type { SimulatorOptions } from "./options.ts";
export { simulatorOwner, simulatorVersion } from "./routes.ts";
export { type Simulator, type SimulatorStats, startSimulator } from "./start-simulator.ts";
