/** Lets so many in at once, in the order of asking. */
export interface Gate {
  enter(): Promise<void>;
  leave(): void;
}

export function openGate(width: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];
  return {
    async enter() {
      if (inside >= width) await new Promise<void>((resolve) => waiting.push(resolve));
      else inside += 1;
    },
    leave() {
      const next = waiting.shift();
      // the place is handed on
      if (next === undefined) inside -= 1;
      else next();
    },
  };
}
