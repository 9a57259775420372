# make help lists the targets. Variables: ARGS (demo), N and SEED (crash), FUZZTIME and ONLY (fuzz).

SHELL := /bin/bash
N ?= 25
FUZZTIME ?= 20s
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-quick test-integration crash fuzz bench lint fmt generate docs up down clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | sed 's/\$$\$$/$$/' | expand -t 20

build: ## the program, static, in bin/sfbridge
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/sfbridge ./cmd/sfbridge

demo: build ## everything in one process, with nothing to install: make demo ARGS='--for 20s --json'
	@bin/sfbridge demo $(ARGS)

test: ## all tests as CI runs them; installs what they need and starts a real Kafka and registry
	scripts/test.sh

test-quick: ## the tests that need no outside service
	go test ./...

test-integration: ## the tests against a real Kafka and registry
	scripts/test.sh needs rig integration

crash: ## kill the bridge again and again and count its records: make crash N=1000 SEED=7
	N=$(N) SEED=$(SEED) scripts/test.sh needs rig crash

fuzz: ## every fuzz target for FUZZTIME each
	FUZZTIME=$(FUZZTIME) ONLY=$(ONLY) scripts/fuzz.sh

bench: ## measure against a real Kafka; writes a dated page under docs/benchmarks
	scripts/bench.sh

lint: ## gofumpt and staticcheck, as pinned in go.mod
	@bad=$$(find . -path ./.rig -prune -o -name '*.go' ! -name '*.pb.go' -print0 | xargs -0 go tool gofumpt -l); \
	  [ -z "$$bad" ] || { echo "not formatted, run make fmt:"; echo "$$bad"; exit 1; }
	go tool staticcheck -tags 'integration compat crash' ./...

fmt: ## format the code
	find . -path ./.rig -prune -o -name '*.go' ! -name '*.pb.go' -print0 | xargs -0 go tool gofumpt -w

generate: ## write the generated Go code again
	scripts/generate.sh

docs: ## write the generated pages again
	go run ./internal/docgen

up: ## start the real Kafka and registry for tests; eval "$$(scripts/rig.sh env)" gives their addresses
	scripts/rig.sh up

down: ## stop them
	scripts/rig.sh down

clean: down ## remove what was built and installed inside the checkout
	rm -rf bin .rig
