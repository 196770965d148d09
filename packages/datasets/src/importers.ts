import type { Importer } from "./importer.ts";
import { csv } from "./importers/csv.ts";
import { helpSteer3Edit } from "./importers/helpsteer3-edit.ts";
import { helpSteer3EditQuality } from "./importers/helpsteer3-edit-quality.ts";
import { helpSteer3Feedback } from "./importers/helpsteer3-feedback.ts";
import { helpSteer3Preference } from "./importers/helpsteer3-preference.ts";
import { helpSteer3Principle } from "./importers/helpsteer3-principle.ts";
import { judgeBench } from "./importers/judgebench.ts";
import { nemoGym } from "./importers/nemo-gym.ts";
import { nemoRl } from "./importers/nemo-rl.ts";
import { openAiBatch } from "./importers/openai-batch.ts";
import { openAiChat } from "./importers/openai-chat.ts";
import { records } from "./importers/records.ts";
import { rewardBench2 } from "./importers/rewardbench-2.ts";
import { rmBench } from "./importers/rm-bench.ts";
import { trl } from "./importers/trl.ts";
import { verl } from "./importers/verl.ts";

/** Every format that --format knows. */
export const importers: readonly Importer[] = [
  records,
  csv,
  helpSteer3Principle,
  helpSteer3Preference,
  helpSteer3Feedback,
  helpSteer3Edit,
  helpSteer3EditQuality,
  rmBench,
  judgeBench,
  rewardBench2,
  verl,
  trl,
  nemoRl,
  nemoGym,
  openAiChat,
  openAiBatch,
];
