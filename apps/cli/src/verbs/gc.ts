import { type BatchGarbage, findGarbage, removeGarbage } from "@assay/scoring";
import type { AbandonedUpload } from "@assay/store/s3";
import { commandLine } from "../command-line.ts";
import type { JsonFlag, RootFlags } from "../flags.ts";
import { openStore, openUploads } from "../open-store.ts";
import { counted, duration, note, result, resultJson, sizeText } from "../say.ts";

type GcFlags = RootFlags & JsonFlag & { readonly yes?: boolean; readonly olderThan: number };

/**
 * Removes checkpoints and markers of chunks whose shard exists, and ends multipart uploads that other tools left in
 * the root; without --yes it says what it would do. Results, plans and folders that are no batch are never touched.
 */
export async function gc(flags: GcFlags): Promise<void> {
  const store = await openStore(flags.root);
  const removes = flags.yes === true;
  const all = { files: 0, bytes: 0, uploads: 0 };
  for await (const garbage of findGarbage(store)) {
    if (removes) await removeGarbage(store, garbage);
    all.files += garbage.keys.length;
    all.bytes += garbage.bytes;
    tell(flags, garbageJson(garbage, removes), garbageText(garbage));
  }
  const uploads = await openUploads(flags.root);
  for await (const upload of uploads?.list(Date.now() - flags.olderThan * 3_600_000) ?? []) {
    if (removes) await uploads?.abort(upload);
    all.uploads += 1;
    tell(flags, uploadJson(upload, removes), uploadText(upload));
  }
  if (all.files + all.uploads === 0) return note(`nothing to remove in ${store.uri}`);
  const what = `${counted(all.files, "file")} below partial/ (${sizeText(all.bytes)})${all.uploads === 0 ? "" : `, ${counted(all.uploads, "abandoned upload")}`}`;
  if (removes) note(`removed: ${what}`);
  else note(`would remove: ${what}; to do it: ${commandLine(["gc", "--yes"], flags.root)}`);
}

function tell(flags: JsonFlag, json: unknown, text: string): void {
  if (flags.json === true) resultJson(json);
  else result(text);
}

function garbageText({ batch, keys, bytes }: BatchGarbage): string {
  return `${batch}/partial  ${counted(keys.length, "file")}, ${sizeText(bytes)}`;
}

function garbageJson({ batch, keys, bytes }: BatchGarbage, removed: boolean) {
  return { kind: "partial", batch, files: keys.length, bytes, removed };
}

function uploadText({ key, startedAt }: AbandonedUpload): string {
  return `${key}  an upload that was begun ${duration((Date.now() - startedAt) / 1_000)} ago and never ended`;
}

function uploadJson({ key, id, startedAt }: AbandonedUpload, removed: boolean) {
  return { kind: "upload", key, id, started_at: new Date(startedAt).toISOString(), removed };
}
