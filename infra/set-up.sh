#!/bin/sh
# Makes a clone ready to run: installs the locked packages and builds, each only when it is out of date.
# Called by ./assay and by `npm test`; prints only when it has something to do, and turbo's words only when a build
# failed. Of two at once in one clone the second waits where the system has flock: two `npm ci` take each other's
# folders away.
set -eu
cd "$(dirname "$0")/.."
export TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
if [ -z "${ASSAY_SET_UP_LOCKED:-}" ] && command -v flock >/dev/null; then
  exec env ASSAY_SET_UP_LOCKED=1 flock package-lock.json sh infra/set-up.sh
fi
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "assay: first run in this clone: npm ci" >&2
  npm ci --no-audit --no-fund --no-update-notifier --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
built=node_modules/.assay-built
if [ ! -f "$built" ] || [ -n "$(find packages apps package-lock.json tsconfig.json \( -name node_modules -o -name dist -o -name test -o -name .turbo \) -prune -o -type f -newer "$built" -print | head -n 1)" ]; then
  echo "assay: building" >&2
  said=$(npx --no-install turbo run build --output-logs=errors-only 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
  }
  touch "$built"
fi
