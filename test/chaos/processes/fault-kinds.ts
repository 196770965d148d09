/** What the nemesis does to a run, and which part of it is hit: faults of one part never overlap. */
export type Part = "worker" | "redis" | "link" | "store" | "engine" | "submit" | "person";

export interface FaultKind {
  readonly part: Part;
  /** rows of the fault matrix that it stands for */
  readonly rows: readonly string[];
  /** how long it lasts, in seconds, from and to; [0, 0] = it is over at once */
  readonly seconds: readonly [number, number];
  /** how often it is drawn beside the others; 1 where it is not said */
  readonly weight?: number;
}

/** The lease is 20 s: what outlasts it has to be told apart from a death. */
const beyondTheLease = [24, 32] as const;

export const faultKinds = {
  "worker: kill -9": { part: "worker", rows: ["W1-8"], seconds: [0, 0], weight: 6 },
  "worker: kill -9 at a crash point": { part: "worker", rows: ["W1-8"], seconds: [0, 0], weight: 6 },
  "worker: SIGSTOP beyond its lease": { part: "worker", rows: ["W9", "W13"], seconds: beyondTheLease },
  "worker: event loop blocked beyond its lease": { part: "worker", rows: ["W10"], seconds: [0, 0] },
  "worker: heap limit": { part: "worker", rows: ["W11"], seconds: [6, 12] },
  "worker: SIGTERM": { part: "worker", rows: ["W12"], seconds: [0, 0], weight: 2 },
  "worker: SIGTERM twice": { part: "worker", rows: ["W12"], seconds: [0, 0] },
  "worker: no room on its disk": { part: "worker", rows: ["D1"], seconds: [8, 14] },
  "worker: clock jumps by an hour": { part: "worker", rows: ["C1"], seconds: [8, 16] },
  "redis: kill -9, restart with its AOF": { part: "redis", rows: ["R1"], seconds: [1, 6], weight: 2 },
  "redis: FLUSHALL": { part: "redis", rows: ["R2"], seconds: [0, 0], weight: 3 },
  "redis: restart empty": { part: "redis", rows: ["R2"], seconds: [1, 4] },
  "redis: restart with an old AOF": { part: "redis", rows: ["R2", "R4"], seconds: [1, 4] },
  "redis: SIGSTOP beyond the lease": { part: "redis", rows: ["R3"], seconds: beyondTheLease },
  "redis: CLIENT PAUSE": { part: "redis", rows: ["R3"], seconds: [3, 10] },
  "redis: connections cut": { part: "redis", rows: ["R3"], seconds: [0, 0] },
  "redis: READONLY replica": { part: "redis", rows: ["R4"], seconds: [3, 8] },
  "redis: out of memory": { part: "redis", rows: ["R5"], seconds: [3, 10] },
  "redis: a password appears": { part: "redis", rows: ["R5"], seconds: [3, 8] },
  "redis: it cannot save (MISCONF)": { part: "redis", rows: ["R5"], seconds: [4, 10] },
  "redis: LOADING": { part: "redis", rows: ["R5"], seconds: [5, 9] },
  "link: no way to Redis for one worker": { part: "link", rows: ["R6"], seconds: [10, 30] },
  "link: Redis is 100 ms away": { part: "link", rows: ["N1"], seconds: [5, 15] },
  "link: the store at 20 kB/s": { part: "link", rows: ["S3", "N1"], seconds: [5, 12] },
  "store: burst of 503": { part: "store", rows: ["S1"], seconds: [3, 10], weight: 2 },
  "store: burst of 500": { part: "store", rows: ["S1"], seconds: [2, 6] },
  "store: 409 on puts": { part: "store", rows: ["S1"], seconds: [2, 5] },
  "store: answers lost": { part: "store", rows: ["S2"], seconds: [2, 6], weight: 2 },
  "store: answers that never come": { part: "store", rows: ["S3"], seconds: [2, 4] },
  "store: bodies cut": { part: "store", rows: ["S4"], seconds: [2, 6] },
  "store: denied": { part: "store", rows: ["S5"], seconds: [3, 6] },
  "store: kill -9, started again": { part: "store", rows: ["S2", "S3"], seconds: [1, 5], weight: 2 },
  "engine: 400": { part: "engine", rows: ["E1"], seconds: [0, 0] },
  "engine: 500": { part: "engine", rows: ["E2"], seconds: [0, 0] },
  "engine: 503": { part: "engine", rows: ["E2"], seconds: [2, 6] },
  "engine: 429": { part: "engine", rows: ["E2"], seconds: [2, 5] },
  "engine: hangs": { part: "engine", rows: ["E3"], seconds: [4, 12] },
  "engine: connections dropped": { part: "engine", rows: ["E4"], seconds: [0, 0] },
  "engine: its core dies": { part: "engine", rows: ["E4"], seconds: [3, 8] },
  "engine: gone, and started again": { part: "engine", rows: ["E4"], seconds: [3, 8] },
  "engine: answers cut": { part: "engine", rows: ["E5"], seconds: [0, 0] },
  "engine: NaN": { part: "engine", rows: ["E5", "E6"], seconds: [0, 0] },
  "engine: a proxy's HTML": { part: "engine", rows: ["E5"], seconds: [0, 0] },
  "engine: rows given up halfway": { part: "engine", rows: ["E5"], seconds: [0, 0] },
  "person: pause, a wiped Redis, resume": { part: "person", rows: ["U3"], seconds: [15, 30], weight: 2 },
  "person: cancel": { part: "person", rows: ["U3"], seconds: [0, 0] },
  "person: retry, typed twice at once": { part: "person", rows: ["U4"], seconds: [0, 0], weight: 2 },
  "submit: kill -9": { part: "submit", rows: ["S6", "I5"], seconds: [0, 0], weight: 2 },
} as const satisfies { readonly [name: string]: FaultKind };

export type FaultName = keyof typeof faultKinds;
export const faultNames = Object.keys(faultKinds) as FaultName[];
export const kindOf = (name: FaultName): FaultKind => faultKinds[name];
