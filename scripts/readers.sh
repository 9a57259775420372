#!/usr/bin/env bash
# Prepares the independent topic readers of test/readers under .rig, once per version of their sources: the Java reader
# compiled with its jars, the Python reader's virtual environment, and kcat.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib.sh"
rig=${SFBRIDGE_RIG_DIR:-$root/.rig}
src=$root/test/readers

mkdir -p "$rig/readers"
exec 8>"$rig/readers/lock"
flock 8
"$root/scripts/need.sh" java python kcat

sum=$(cat "$src/java/pom.xml" "$src"/java/src/main/java/*.java | sha256sum)
if [ "$(cat "$rig/readers/java.sum" 2>/dev/null)" != "$sum" ]; then
  "$root/scripts/need.sh" maven
  say "building the Java reader"
  rm -rf "$rig/readers/java"
  mvn -B -q -Dstyle.color=never -f "$src/java/pom.xml" process-classes -Drig.out="$rig/readers/java" >&2
  printf '%s\n' "$sum" >"$rig/readers/java.sum"
fi

sum=$(sha256sum <"$src/python/requirements.txt")
if [ "$(cat "$rig/readers/python.sum" 2>/dev/null)" != "$sum" ]; then
  say "installing the Python reader's packages"
  rm -rf "$rig/venv-readers"
  python3 -m venv "$rig/venv-readers"
  "$rig/venv-readers/bin/pip" install -q -r "$src/python/requirements.txt" >&2
  printf '%s\n' "$sum" >"$rig/readers/python.sum"
fi
