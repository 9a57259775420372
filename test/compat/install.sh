#!/usr/bin/env bash
# Installs the clients of package.json and requirements.txt into .rig/node and
# .rig/venv at the root of the checkout. Does nothing when they are there.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rig=$(cd "$here/../.." && pwd)/.rig
mkdir -p "$rig"

for tool in node npm python3 sha256sum; do
  command -v "$tool" >/dev/null || { echo "test/compat needs $tool, which is not installed" >&2; exit 1; }
done

exec 9>"$rig/compat.lock" # one installer at a time
if command -v flock >/dev/null; then flock 9; fi

node_sum=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$rig/node/.stamp" 2>/dev/null || true)" != "$node_sum" ]; then
  echo "installing the Node clients" >&2
  rm -rf "$rig/node" && mkdir -p "$rig/node"
  cp "$here/package.json" "$here/package-lock.json" "$rig/node/"
  (cd "$rig/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  echo "$node_sum" >"$rig/node/.stamp"
fi

venv_sum=$(sha256sum <"$here/requirements.txt" | cut -d' ' -f1)
if [ "$(cat "$rig/venv/.stamp" 2>/dev/null || true)" != "$venv_sum" ]; then
  echo "installing the Python clients" >&2
  rm -rf "$rig/venv"
  python3 -m venv "$rig/venv" || { echo "test/compat needs the venv module of Python (python3-venv)" >&2; exit 1; }
  "$rig/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  echo "$venv_sum" >"$rig/venv/.stamp"
fi
