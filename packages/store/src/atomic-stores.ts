/** For people whose store fails: those known to honour put-if-absent (docs/decisions/0003). */
export const atomicStores =
  "use AWS S3, Cloudflare R2, CoreWeave, Ceph RGW, SeaweedFS, MinIO, RustFS, versitygw, or a local directory";
