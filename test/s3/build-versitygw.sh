#!/bin/sh
# Prints the path of versitygw, a real S3 server, which is built with Go into the cache where it is not there yet.
set -eu

version=v1.8.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/assay/versitygw-$version
if [ ! -x "$cache/versitygw" ]; then
  if ! command -v go >/dev/null; then
    echo "versitygw is built with Go, which is not here" >&2
    exit 1
  fi
  echo "building versitygw $version into $cache (a few minutes, once)" >&2
  mkdir -p "$cache"
  # through a folder of its own: a build that is cut off leaves no half program behind
  building=$(mktemp -d "$cache/build.XXXXXX")
  GOBIN=$building go install "github.com/versity/versitygw/cmd/versitygw@$version"
  mv "$building/versitygw" "$cache/versitygw"
  rmdir "$building"
fi
echo "$cache/versitygw"
