export type { SimulatorFaults } from "./faults.ts";
export type { SimulatorOptions } from "./options.ts";
export { simulatorOwner } from "./routes.ts";
export { type Simulator, startSimulator } from "./start-simulator.ts";
