import { promisify } from "node:util";
import { gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";

const zipElsewhere = promisify(gzip);
const unzipElsewhere = promisify(gunzip);

/** Up to here packing takes under a millisecond, and handing it to another thread costs as much as it saves. */
const smallBytes = 32 * 1024;
/** The same of packed bytes, which unpack to several times as many. */
const smallZippedBytes = 8 * 1024;
/** Larger than anything we pack (64 rows with their whole reasoning are 10 MB, a record of 32 MiB may grow sixfold by its escapes), so that no object of a store unpacks without end. */
const maxOutputLength = 256 * 1024 * 1024;

/** What is small is packed at once, so that what follows keeps the order of the calls. */
export async function zip(bytes: Uint8Array): Promise<Uint8Array> {
  return bytes.length <= smallBytes ? gzipSync(bytes) : zipElsewhere(bytes);
}

/** Rejects with what zlib says where the bytes are cut, corrupt, or unpack to more than 256 MiB. */
export async function unzip(zipped: Uint8Array): Promise<Uint8Array> {
  return zipped.length <= smallZippedBytes
    ? gunzipSync(zipped, { maxOutputLength })
    : unzipElsewhere(zipped, { maxOutputLength });
}
