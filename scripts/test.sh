#!/usr/bin/env bash
# Runs the stages of the test suite in order, each with its duration, and fails if any failed. Nothing is ever skipped: what
# is missing is installed or fails the run.
#
#   scripts/test.sh                 all stages, as CI does
#   scripts/test.sh STAGE...        only these
#
# Stages: needs rig format vet build unit race integration compat crash rules compose
# A rig that was up before stays up; one that this script started goes down at the end, whatever happened.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib.sh"
cd "$root"

# tagged TAG: the packages with files under that build tag.
tagged() {
  local packages
  packages=$(find . -path ./.rig -prune -o -name '*.go' -print0 | xargs -0 grep -l "^//go:build $1\$" | xargs -r -n 1 dirname | sort -u)
  [ -n "$packages" ] || { say "no package has files under the build tag $1"; return 1; }
  echo "$packages"
}

# concurrent: the packages whose code starts goroutines or locks something, where the race detector has work to do.
concurrent() {
  find . \( -path ./.rig -o -path ./test \) -prune -o -name '*.go' ! -name '*_test.go' -print0 |
    xargs -0 grep -lE '^\s*go (func|[a-z])|"sync"|"sync/atomic"|sync/errgroup' | xargs -r -n 1 dirname | sort -u
}

stage_needs() { scripts/need.sh go gcc java maven node python kcat promtool openssl; }

stage_rig() {
  if scripts/rig.sh status >/dev/null; then
    say "using the rig that is up"
  else
    ours=yes
    scripts/rig.sh up || return 1
  fi
  scripts/readers.sh
}

# addresses puts where the rig listens into the environment, for tests that start no rig of their own.
addresses() { eval "$(scripts/rig.sh env)"; }

stage_format() {
  local bad
  bad=$(find . -path ./.rig -prune -o -name '*.go' -print0 | xargs -0 gofmt -l)
  [ -z "$bad" ] || { say "not formatted, run make fmt:"; echo "$bad" >&2; return 1; }
}

stage_vet() { go vet ./... && go vet -tags 'integration compat crash crashpoints' ./...; }

# build: everything, and the program as users get it: one static file of at most 60 MB.
stage_build() {
  local size
  go build ./... && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/sfbridge ./cmd/sfbridge || return 1
  if ldd bin/sfbridge >/dev/null 2>&1; then say "bin/sfbridge is not static"; return 1; fi
  size=$(stat -c %s bin/sfbridge)
  say "bin/sfbridge has $((size / 1000000)) MB"
  [ "$size" -le 60000000 ] || { say "that is more than 60 MB"; return 1; }
}
stage_unit() { go test -timeout 20m ./...; }

stage_race() {
  local packages
  mapfile -t packages < <(concurrent)
  CGO_ENABLED=1 go test -race -timeout 20m "${packages[@]}"
}

stage_integration() {
  addresses || return 1
  local found packages
  found=$(tagged integration) || return 1
  mapfile -t packages <<<"$found"
  go test -count=1 -timeout 20m -tags integration "${packages[@]}"
}

stage_compat() { go test -count=1 -timeout 20m -tags compat ./test/compat/...; }

stage_crash() {
  addresses || return 1
  local seed=${SEED:-$(date +%s)}
  say "crash: ${N:-25} kills, seed $seed"
  go test -count=1 -timeout 0 -tags crash ./test/crash/... -args -n "${N:-25}" -seed "$seed"
}

stage_rules() {
  promtool check rules deploy/prometheus/alerts.yaml &&
    promtool test rules deploy/prometheus/alerts_test.yaml &&
    promtool check config --syntax-only deploy/prometheus/prometheus.yml
}

# compose: by docker compose where it is installed, otherwise by the library that docker compose itself reads files with.
stage_compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose -f docker-compose.yml config -q
  else
    go run github.com/compose-spec/compose-go/v2/cmd@v2.16.2 docker-compose.yml >/dev/null
  fi
}

# run_stage NAME: runs one stage between two lines with its name; remembers its time and outcome.
run_stage() {
  local start=$SECONDS outcome=ok
  printf '\n=== %s\n' "$1"
  "stage_$1" || { outcome=FAILED; failed="$failed $1"; }
  printf '=== %s %s in %d s\n' "$1" "$outcome" $((SECONDS - start))
  summary+=$(printf '  %-12s %-7s %4d s' "$1" "$outcome" $((SECONDS - start)))$'\n'
  [ "$outcome" = ok ]
}

finish() {
  [ -z "$ours" ] || scripts/rig.sh down
}

ours= failed= summary=
trap finish EXIT
trap 'exit 130' INT TERM

if [ $# -eq 0 ]; then
  set -- needs rig format vet build unit race integration compat crash rules compose
fi
for stage in "$@"; do
  declare -F "stage_$stage" >/dev/null || die "no stage $stage; see the head of $0"
  if ! run_stage "$stage"; then
    # Without these the rest would only repeat the failure.
    case $stage in needs | rig | build) break ;; esac
  fi
done
printf '\n%s' "$summary"
[ -z "$failed" ] || { say "failed:$failed"; exit 1; }
