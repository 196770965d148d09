import { expect, test } from "@jest/globals";
import { choosePlaces } from "../src/choose-place.ts";
import { hasSlot, openPoolEngine } from "../src/pool-engine.ts";
import { createPrefixHomes } from "../src/prefix-homes.ts";
import { createWaitingLine } from "../src/waiting-line.ts";
import { client } from "./open-pool.ts";

test("a freed slot costs a look at each engine, not one for each row in line", () => {
  const engines = Array.from({ length: 64 }, (_, i) => openPoolEngine(client(`e${i}`), 8, undefined));
  for (const engine of engines) engine.inFlight = 8;
  let looks = 0;
  const homes = createPrefixHomes<(typeof engines)[number]>();
  const fleet = {
    engines,
    homes,
    isOpen: () => {
      looks += 1;
      return true;
    },
  };
  const line = createWaitingLine(
    () => choosePlaces(fleet),
    () => 512,
    () => engines.some(hasSlot),
  );
  const served: string[] = [];
  const [free] = engines;
  if (free === undefined) throw new Error("no engine");
  for (let row = 0; row < 512; row += 1) {
    const prefix = { conversation: `c${row}`, response: null };
    if (row === 300) homes.note(prefix, free);
    line.stand({
      batch: row % 2 === 0 ? "x" : "y",
      prefix,
      give: (engine) => {
        engine.inFlight += 1;
        served.push(prefix.conversation);
      },
      refuse: () => {},
    });
  }
  free.inFlight -= 1;
  line.serve();
  // who is at home there is found all the same
  expect(served).toEqual(["c300"]);
  expect(looks).toBeLessThan(4 * engines.length);
});
