export { type AbandonedUpload, s3Uploads, type Uploads } from "./abandoned-uploads.ts";
export { parseS3Uri, s3ClientOptions } from "./s3-options.ts";
export { s3Store } from "./s3-store.ts";
