#!/usr/bin/env bash
# Writes the Go code of every .proto file again, with protoc and the plugins pinned in go.mod.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
"$root/scripts/need.sh" protoc
plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
for plugin in protoc-gen-go protoc-gen-go-grpc; do
  ln -s "$(go tool -n $plugin)" "$plugins/$plugin"
done
find . -path ./.rig -prune -o -name '*.proto' -print | sed 's|^\./||' |
  PATH="$plugins:$PATH" xargs protoc -I . --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative
