#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (20s unless told), one after the other; ONLY chooses targets by a part of their name.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib.sh"
cd "$root"
count=0
while IFS=: read -r file name; do
  case $name in *"${ONLY:-}"*) ;; *) continue ;; esac
  count=$((count + 1))
  printf '=== %s %s\n' "$(dirname "$file")" "$name"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-20s}" "$(dirname "$file")"
done < <(find . -path ./.rig -prune -o -name '*_test.go' -print0 |
  xargs -0 grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sed 's/:func /:/' | sort)
[ "$count" -gt 0 ] || die "no fuzz target matches"
say "$count targets"
