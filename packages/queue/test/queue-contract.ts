import { expect, test } from "@jest/globals";
import type { Job, JobQueue, LeasedJob } from "../src/port.ts";

/** What every queue promises (port.ts); run against each adapter. `open` makes two views of one queue. */
export function queueContract(open: () => Promise<{ a: JobQueue; b: JobQueue; close: () => Promise<void> }>): void {
  const never = new AbortController().signal;
  const jobs = (n: number, batch = "b-0000000000000000"): (Job & { priority: number })[] =>
    Array.from({ length: n }, (_, chunk) => ({ batch, chunk, priority: chunk + 1 }));

  async function takeAll(queue: JobQueue, n: number): Promise<LeasedJob[]> {
    const taken: LeasedJob[] = [];
    for (let i = 0; i < n; i += 1) {
      const leased = await queue.take(never);
      if (leased === null) break;
      taken.push(leased);
    }
    return taken;
  }

  async function withQueue(work: (a: JobQueue, b: JobQueue) => Promise<void>): Promise<void> {
    const { a, b, close } = await open();
    try {
      await work(a, b);
    } finally {
      await close();
    }
  }

  test("each job is taken once, lowest priority first, and an id that is there is not added again", () =>
    withQueue(async (a, b) => {
      await a.add([...jobs(6)].reverse());
      await b.add(jobs(6));
      const taken = [...(await takeAll(a, 3)), ...(await takeAll(b, 3))];
      expect(taken.map(({ job }) => job.chunk)).toEqual([0, 1, 2, 3, 4, 5]);
      await a.add(jobs(6));
      expect(await a.missing(jobs(7))).toEqual([expect.objectContaining({ chunk: 6 })]);
      for (const leased of taken) await leased.done();
      expect((await b.missing(jobs(6))).length).toBe(6);
    }));

  test("two takers never hold the same job, also of jobs that are handed back", () =>
    withQueue(async (a, b) => {
      const rounds = 3;
      await a.add(jobs(20));
      const held = new Set<number>();
      const timesTaken = new Map<number, number>();
      let open = 20;
      const over = new AbortController();
      await Promise.all(
        [a, b, a, b].map(async (queue) => {
          while (!over.signal.aborted) {
            const leased = await queue.take(over.signal);
            if (leased === null) continue;
            const { chunk } = leased.job;
            expect(held.has(chunk)).toBe(false);
            held.add(chunk);
            const times = (timesTaken.get(chunk) ?? 0) + 1;
            timesTaken.set(chunk, times);
            // others take meanwhile
            await queue.missing(jobs(1));
            held.delete(chunk);
            if (times < rounds) await leased.handBack();
            else {
              await leased.done();
              open -= 1;
              if (open === 0) over.abort();
            }
          }
        }),
      );
      expect([...timesTaken.values()]).toEqual(Array(20).fill(rounds));
      expect(await a.missing(jobs(20))).toHaveLength(20);
    }));

  test("a job handed back is taken next, whatever came meanwhile; the id of a job that is done is free again", () =>
    withQueue(async (a, b) => {
      await a.add(jobs(3));
      const taken = await takeAll(a, 3);
      await b.add(jobs(3, "b-1111111111111111"));
      await taken[2]?.handBack();
      expect(await a.missing(jobs(3))).toEqual([]);
      const [again] = await takeAll(b, 1);
      expect(again?.job).toEqual({ batch: "b-0000000000000000", chunk: 2 });
      await again?.done();
      expect((await a.missing(jobs(3))).map(({ chunk }) => chunk)).toEqual([2]);
      await a.add(jobs(3));
      expect(await a.missing(jobs(3))).toEqual([]);
    }));

  test("a job handed back can be removed and added again, with its new priority", () =>
    withQueue(async (a, b) => {
      await a.add(jobs(2));
      const [first] = await takeAll(a, 1);
      await first?.handBack();
      await b.remove(jobs(1));
      expect((await b.missing(jobs(2))).map(({ chunk }) => chunk)).toEqual([0]);
      await b.add(jobs(1).map((job) => ({ ...job, priority: 9 })));
      expect((await takeAll(a, 2)).map(({ job }) => job.chunk)).toEqual([1, 0]);
    }));

  test("a job handed back does not turn the virtual time back", () =>
    withQueue(async (a) => {
      await a.add(jobs(9).slice(5));
      const [first] = await takeAll(a, 1);
      await first?.handBack();
      expect(await a.virtualTime()).toBe(7);
      const rest = await takeAll(a, 4);
      expect(rest.map(({ job }) => job.chunk)).toEqual([5, 6, 7, 8]);
      await rest[0]?.handBack();
      // only an old job is left, and it says nothing about the time
      expect(await a.virtualTime()).toBe(0);
    }));

  test("a removed job can be added again, with another priority", () =>
    withQueue(async (a, b) => {
      await a.add(jobs(2));
      await a.remove(jobs(1));
      await b.add(jobs(1).map((job) => ({ ...job, priority: 9 })));
      const taken = await takeAll(b, 2);
      expect(taken.map(({ job }) => job.chunk)).toEqual([1, 0]);
    }));

  test("ending a lease twice, or both ways, ends it once", () =>
    withQueue(async (a, b) => {
      await a.add(jobs(1));
      const [leased] = await takeAll(a, 1);
      await leased?.done();
      await leased?.handBack();
      await leased?.done();
      expect(await b.missing(jobs(1))).toHaveLength(1);
    }));

  test("removed jobs are gone, a job that somebody works on stays his", () =>
    withQueue(async (a, b) => {
      await a.add(jobs(4));
      const [held] = await takeAll(a, 1);
      await b.remove(jobs(4));
      expect((await b.missing(jobs(4))).map(({ chunk }) => chunk)).toEqual([1, 2, 3]);
      await held?.done();
    }));

  test("an aborted take returns nothing and loses nothing", () =>
    withQueue(async (a, b) => {
      const controller = new AbortController();
      const taking = a.take(controller.signal);
      controller.abort();
      expect(await taking).toBeNull();
      await b.add(jobs(1));
      expect((await b.take(never))?.job.chunk).toBe(0);
    }));

  test("virtual time is the priority of the job that comes next", () =>
    withQueue(async (a) => {
      expect(await a.virtualTime()).toBe(0);
      await a.add(jobs(5).slice(2));
      expect(await a.virtualTime()).toBe(3);
    }));

  test("what is added at the last priority is taken after all others, in turn, and stretches the scale no further", () =>
    withQueue(async (a, b) => {
      expect(await a.lastPriority()).toBe(0);
      await a.add(jobs(5));
      const [first] = await takeAll(a, 1);
      for (let round = 0; round < 20; round += 1) {
        const last = await b.lastPriority();
        expect(last).toBe(5);
        await b.add([{ batch: "b-1111111111111111", chunk: round, priority: last }]);
      }
      await first?.handBack();
      expect(await a.lastPriority()).toBe(5);
      const taken = await takeAll(b, 25);
      expect(taken.map(({ job }) => job.chunk)).toEqual([0, 1, 2, 3, 4, ...Array(20).keys()]);
    }));

  test("a nudge reaches every process, a courtesy goes to one", () =>
    withQueue(async (a, b) => {
      const heard = new Promise<string>((resolve) => b.onNudge(resolve));
      let told: string | null = null;
      void heard.then((batch) => {
        told = batch;
      });
      // the subscription may still be under way: nudges may be lost, so they are repeated
      while (told === null) {
        await a.nudge("b-1");
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(told).toBe("b-1");
      const asked = [a, b, a, b, b].map((queue) => queue.courtesy("task", 60_000));
      expect((await Promise.all(asked)).filter(Boolean)).toHaveLength(1);
      expect(await b.courtesy("task", 60_000)).toBe(false);
      // asked for, and left to whoever wants it
      for (let i = 0; i < 2; i += 1) expect(await a.courtesy("other", 0)).toBe(true);
      expect(await b.courtesy("other", 60_000)).toBe(true);
      expect(await a.courtesy("other", 0)).toBe(false);
    }));

  test("a listener that was taken away hears no more", () =>
    withQueue(async (a, b) => {
      let heard = 0;
      b.onNudge(() => {
        heard += 1;
      })();
      const other = new Promise<string>((resolve) => b.onNudge(resolve));
      let told = false;
      void other.then(() => {
        told = true;
      });
      while (!told) {
        await a.nudge("b-1");
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(heard).toBe(0);
    }));

  test("what is told changes no job, and telling never fails, closed or not", () =>
    withQueue(async (a, b) => {
      await a.add(jobs(1));
      await a.tell("scores", 60_000);
      await b.tell("waits", 60_000);
      expect(await b.missing(jobs(1))).toEqual([]);
      expect((await a.take(never))?.job.chunk).toBe(0);
      await a.tell(null, 0);
      await a.close();
      await a.tell("closed", 60_000);
    }));

  test("closing ends a take that is under way, and takes nothing more", () =>
    withQueue(async (a, b) => {
      let ended = false;
      const taking = a.take(never).finally(() => {
        ended = true;
      });
      await a.close();
      await new Promise((resolve) => setImmediate(resolve));
      expect(ended).toBe(true);
      expect(await taking).toBeNull();
      expect(await a.take(never)).toBeNull();
      await a.close();
      await b.close();
    }));
}
