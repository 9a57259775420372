#!/usr/bin/env bash
# Makes sure that the programs named on the command line are here; installs what is missing through apt-get when that is
# allowed, and otherwise says which packages to install and fails. Never skips.
#
#   scripts/need.sh java maven node python kcat promtool openssl
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# have NAME: true when the need is met.
have() {
  case $1 in
    java) java_major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1) && [ "${java_major:-0}" -ge 17 ] && command -v javac >/dev/null ;;
    maven) command -v mvn >/dev/null ;;
    node) command -v node >/dev/null && command -v npm >/dev/null ;;
    python) python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1 ;;
    go) command -v go >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# packages NAME: the Debian packages that meet the need.
packages() {
  case $1 in
    java) echo openjdk-17-jdk-headless ;;
    maven) echo maven ;;
    node) echo nodejs npm ;;
    python) echo python3 python3-venv ;;
    kcat) echo kcat ;;
    promtool) echo prometheus ;;
    openssl) echo openssl ;;
    gcc) echo gcc libc6-dev ;;
    protoc) echo protobuf-compiler libprotobuf-dev ;;
    go) return 1 ;;
    *) return 1 ;;
  esac
}

missing=()
for need in "$@"; do
  have "$need" && continue
  packages "$need" >/dev/null || die "$need is missing; install it and run this again"
  read -ra names <<<"$(packages "$need")"
  missing+=("${names[@]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null || die "missing, and not allowed to install: sudo apt-get install ${missing[*]}"
  as_root=(sudo -n)
fi
command -v apt-get >/dev/null || die "missing, and no apt-get here: install what Debian calls ${missing[*]}"

say "installing ${missing[*]}"
# Debian starts services of a new package at once; the rig wants the programs only.
policy=/usr/sbin/policy-rc.d
held=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  held=yes
fi
cleanup() { [ -z "$held" ] || "${as_root[@]}" rm -f "$policy"; }
trap cleanup EXIT
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q >&2
"${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >&2

for need in "$@"; do
  have "$need" || die "$need is still missing after installing: $(packages "$need")"
done
