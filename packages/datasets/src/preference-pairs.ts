import type { Message, ResultRow } from "@assay/core";

/** One pair for preference training (DPO): two responses to one conversation under one principle. */
export interface PreferencePair {
  readonly group: string;
  readonly principle: string;
  readonly chosen: PairSide;
  readonly rejected: PairSide;
}

export interface PairSide {
  readonly row_index: number;
  readonly reward: number;
}

export interface PairChooser {
  add(row: ResultRow): void;
  /** The pairs found, in the order in which their groups were first seen, and what gave none. */
  choose(): { pairs: PreferencePair[]; groups: number; single: number; close: number };
}

interface Extremes {
  readonly group: string;
  readonly principle: string;
  best: PairSide;
  worst: PairSide;
}

/**
 * The best against the worst response of each (group, principle), where their rewards are at least `margin` apart. Only
 * rows with a reward count; of equal rewards the earlier row is taken. `single`: groups with one such row; `close`:
 * groups whose best and worst are nearer than the margin. Memory: two row numbers a group.
 */
export function createPairChooser(margin: number): PairChooser {
  const byGroup = new Map<string, Extremes>();
  return {
    add({ group, principle, reward, row_index }) {
      if (group === null || principle === null || reward === null) return;
      const key = JSON.stringify([group, principle]);
      const side = { row_index, reward };
      const seen = byGroup.get(key);
      if (seen === undefined) byGroup.set(key, { group, principle, best: side, worst: side });
      else if (reward > seen.best.reward) seen.best = side;
      else if (reward < seen.worst.reward) seen.worst = side;
    },
    choose() {
      const pairs: PreferencePair[] = [];
      let single = 0;
      let close = 0;
      for (const { group, principle, best, worst } of byGroup.values()) {
        if (best === worst) single += 1;
        else if (best.reward - worst.reward < margin) close += 1;
        else pairs.push({ group, principle, chosen: best, rejected: worst });
      }
      return { pairs, groups: byGroup.size, single, close };
    },
  };
}

/** What a pair's sides say. */
export interface PairTexts {
  readonly messages: readonly Message[];
  readonly chosen: string;
  readonly rejected: string;
}

/** A pair as TRL's DPOTrainer reads it (conversational, explicit prompt), with where it is from. One line, no newline. */
export function pairLine(pair: PreferencePair, texts: PairTexts): string {
  return JSON.stringify({
    prompt: texts.messages,
    chosen: [{ role: "assistant", content: texts.chosen }],
    rejected: [{ role: "assistant", content: texts.rejected }],
    principle: pair.principle,
    group: pair.group,
    chosen_reward: pair.chosen.reward,
    rejected_reward: pair.rejected.reward,
    margin: pair.chosen.reward - pair.rejected.reward,
    chosen_row: pair.chosen.row_index,
    rejected_row: pair.rejected.row_index,
  });
}
