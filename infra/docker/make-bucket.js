// One-shot of docker-compose.yml: makes the bucket that ASSAY_ROOT names. A bucket that is there already is fine.
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

const bucket = new URL(process.env.ASSAY_ROOT).hostname;
const client = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL_S3, forcePathStyle: true });
const there = ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"];

await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error) => {
  if (!there.includes(error.name)) throw error;
});
