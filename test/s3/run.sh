#!/bin/sh
# npm run test:s3: the store contract against a real S3 server, versitygw, built with Go and run over a temporary
# directory on a free loopback port. Where S3_TEST_ENDPOINT is set, against that server instead, with
# AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and S3_TEST_BUCKET (assay-test; made if absent).
# Arguments go to jest. Exits with jest's code.
set -eu
cd "$(dirname "$0")/../.."

scratch=
server=

clean_up() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
  fi
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

random_hex() {
  node -e 'console.log(require("node:crypto").randomBytes(20).toString("hex"))'
}

free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# Waits until something accepts on the port; 1 when 30 s are over.
answers() {
  node -e '
    const end = Date.now() + 30000;
    const knock = () => {
      const socket = require("node:net").connect(Number(process.argv[1]), "127.0.0.1");
      socket.on("connect", () => process.exit(0));
      socket.on("error", () => Date.now() > end ? process.exit(1) : setTimeout(knock, 50));
    };
    knock();' "$1"
}

if [ -z "${S3_TEST_ENDPOINT:-}" ]; then
  versitygw=$(sh test/s3/build-versitygw.sh)

  scratch=$(mktemp -d)
  mkdir "$scratch/objects"
  AWS_ACCESS_KEY_ID=$(random_hex)
  AWS_SECRET_ACCESS_KEY=$(random_hex)
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  # a session token or profile of the caller's would stand in the way of the keys above
  unset AWS_SESSION_TOKEN AWS_PROFILE
  port=$(free_port)
  ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY \
    "$versitygw" --port "127.0.0.1:$port" posix "$scratch/objects" >"$scratch/log" 2>&1 &
  server=$!
  if ! answers "$port" || ! kill -0 "$server" 2>/dev/null; then
    cat "$scratch/log" >&2
    echo "test:s3: versitygw does not answer on 127.0.0.1:$port" >&2
    exit 1
  fi
  export S3_TEST_ENDPOINT="http://127.0.0.1:$port" S3_TEST_BUCKET=assay-test AWS_REGION=us-east-1
fi

# no exec: the trap has to stop the server afterwards
node --disable-warning=ExperimentalWarning --experimental-vm-modules node_modules/jest/bin/jest.js \
  --config test/s3/jest.config.js "$@"
