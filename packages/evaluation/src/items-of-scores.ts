import { AssayError } from "@assay/core";
import { z } from "zod";
import { yesOrNo } from "./items-of-rows.ts";
import { decide, type JudgeBenchItem } from "./judge-bench.ts";
import type { LabelItem } from "./labels.ts";
import type { RewardBench2Item } from "./reward-bench-2.ts";
import type { RmBenchItem } from "./rm-bench.ts";

/** One record of a score file, and where it stands: "file:12". */
export interface ScoreRecord {
  readonly where: string;
  readonly value: unknown;
}

/** Some scripts write a score as a list of one. */
const score = z
  .union([z.number(), z.null(), z.tuple([z.union([z.number(), z.null()])])])
  .transform((value) => (Array.isArray(value) ? value[0] : value));

const rmBenchSchema = z.object({
  domain: z.string().nullish(),
  score_chosen: z.array(score).length(3),
  score_rejected: z.array(score).length(3),
});

/** Result files of RM-Bench's own scripts: score_chosen and score_rejected, three each. `domain`: of a file without. */
export function rmBenchOfScores(records: readonly ScoreRecord[], domain: string | null): RmBenchItem[] {
  return records.map((record) => {
    const read = parse(rmBenchSchema, record);
    return { domain: read.domain ?? domain, chosen: read.score_chosen, rejected: read.score_rejected };
  });
}

const judgmentSchema = z
  .object({
    decision: z.string().nullish(),
    judgment: z
      .object({ scores: z.array(score).nullish() })
      .nullish()
      .catch(null),
  })
  .nullable();
const judgeBenchSchema = z.object({
  source: z.string(),
  response_model: z.string().nullish(),
  label: z.enum(["A>B", "B>A"]),
  judgments: z.array(judgmentSchema).min(1).max(2),
});

/**
 * Result files of JudgeBench's run_judge.py: one judgment a pair, or two of which the second saw the responses the other
 * way round; null where the judge failed. The file's decisions count as they are; where there is but one, equal scores
 * are a tie whatever its decision says, since "B>A" would then be luck.
 */
export function judgeBenchOfScores(records: readonly ScoreRecord[]): JudgeBenchItem[] {
  return records.map((record) => {
    const { source, response_model, label, judgments } = parse(judgeBenchSchema, record);
    const byScores = judgments.map((judgment) => {
      const [a, b] = judgment?.judgment?.scores ?? [];
      return a === undefined || b === undefined ? null : decide(a, b);
    });
    const equalScores = byScores.every((decision) => decision === "A=B");
    const decisions = judgments.map((judgment, order) => {
      if (equalScores && judgments.length === 1) return "A=B";
      return judgment?.decision === undefined ? (byScores[order] ?? null) : judgment.decision;
    });
    return { source, responseModel: response_model ?? null, label, decisions, equalScores };
  });
}

const rewardBench2Schema = z
  .object({
    id: z.union([z.string(), z.int()]).transform(String),
    subset: z.string(),
    scores: z.array(score).min(2),
    num_correct: z.int().min(1),
  })
  .refine(({ scores, num_correct }) => num_correct < scores.length, {
    path: ["num_correct"],
    message: "as many as there are scores",
  });

/** Score files of RewardBench 2's run_v2.py, right completions first. */
export function rewardBench2OfScores(records: readonly ScoreRecord[]): RewardBench2Item[] {
  return records.map((record) => {
    const { id, subset, scores, num_correct } = parse(rewardBench2Schema, record);
    return { id, subset, scores, numCorrect: num_correct };
  });
}

const labelSchema = z.looseObject({
  id: z.union([z.string(), z.int()]).nullish(),
  domain: z.string().nullish(),
  principle: z.string().nullish(),
  reward: score.optional(),
  score: score.optional(),
});

/** Lines with `reward` (or `score`) and a Yes/No label in `fulfilment` or `label`; id, domain and principle where known. */
export function labelsOfScores(records: readonly ScoreRecord[], column?: string): LabelItem[] {
  return records.map((record) => {
    const read = parse(labelSchema, record);
    const label = yesOrNo(read[column ?? (read.fulfilment === undefined ? "label" : "fulfilment")]);
    if (label === null || (read.reward === undefined && read.score === undefined)) {
      throw unfit(record.where, label === null ? "a label of Yes or No" : "reward, a number or null");
    }
    return {
      key: JSON.stringify([read.id ?? record.where, read.principle ?? null]),
      domain: read.domain ?? null,
      principle: read.principle ?? null,
      label,
      reward: (read.reward === undefined ? read.score : read.reward) ?? null,
    };
  });
}

function parse<T>(schema: z.ZodType<T>, { where, value }: ScoreRecord): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unfit(where, `${issue?.path.join(".") || "the record"}: ${issue?.message ?? "another shape"}`);
}

/** A figure over the lines that could be read would look like one over all. */
function unfit(where: string, expected: string): AssayError {
  return new AssayError("E_INPUT_BAD", "a record of the score file does not fit this benchmark", {
    where,
    expected,
    next: "mend the file, or evaluate it under its own benchmark's name",
  });
}
