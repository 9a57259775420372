#!/usr/bin/env bash
# Measures the program against a real Kafka and writes a dated page under docs/benchmarks. Kafka, the simulated org and the
# bridge are processes of their own on this machine; ratios within one run count, absolute figures are remarks.
#
#   scripts/bench.sh [FLAGS of test/bench]      such as -events 300000 -only rate,latency
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
scripts/need.sh go java maven openssl node python
test/compat/install.sh # the other clients that the bridge is held against
ours=no
if ! scripts/rig.sh status >/dev/null; then
  scripts/rig.sh up
  ours=yes
fi
trap '[ "$ours" = no ] || scripts/rig.sh down' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/sfbridge ./cmd/sfbridge
go build -o bin/sfbridge-bench ./test/bench
eval "$(scripts/rig.sh env)"
broker=$(scripts/rig.sh status | sed -n 's/^kafka up, process //p')
bin/sfbridge-bench -binary bin/sfbridge -dir docs/benchmarks -broker "${broker:-0}" "$@"
