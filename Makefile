# Every target is a few words around the go command; read them, or use it directly.
.DEFAULT_GOAL := help
SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
export GOFLAGS ?= -buildvcs=false

FUZZTIME   ?= 10000x
BENCH      ?= .
COUNT      ?= 6
BENCHFLAGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Compile all modules, and the library as its users get it
	go build work
	GOWORK=off go build ./...

.PHONY: test
test: ## Run all tests of all modules
	go test work

.PHONY: race
race: ## Run all tests under the race detector, in random order
	go test -race -shuffle=on work

.PHONY: fuzz-short
fuzz-short: ## Run every fuzz target for FUZZTIME (10000 inputs)
	FUZZTIME=$(FUZZTIME) .ci/run fuzz

.PHONY: lint
lint: ## Check format, vet and golangci-lint (pinned in internal/tools)
	.ci/run format vet lint

.PHONY: generate
generate: ## Regenerate everything that is generated
	go generate ./...
	go -C benchmark generate ./...

.PHONY: checkgenerate
checkgenerate: generate ## Fail if generated files were stale
	@git diff --exit-code || { echo "generated files were stale: commit the above"; exit 1; }

.PHONY: bench
bench: ## Compare with other implementations, print and write the table (BENCHFLAGS=-quick for a look)
	go run ./benchmark $(BENCHFLAGS)

.PHONY: fanout
fanout: ## Hold a million idle streams on one server and send a message to all: one minute, 3 GB
	go run ./benchmark/cmd/fanout

.PHONY: microbench
microbench: ## Run Go benchmarks matching BENCH, COUNT times, with allocations
	go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) work

.PHONY: conformance
conformance: ## Install the peers, run every suite against them and print the table
	.ci/run packages
	go run ./conformance/cmd/report

.PHONY: conformance-report
conformance-report: ## Do the same and write the table to conformance/README.md
	.ci/run packages
	go run ./conformance/cmd/report -write conformance/README.md

.PHONY: connect
connect: ## Run all of the connectrpc conformance suite, with all compressions
	CQRPC_CONNECT=full go test -race -count=1 -run='^TestConnect$$' ./conformance

.PHONY: cover
cover: ## Show test coverage of the library by function
	@mkdir -p .tmp
	go test -coverpkg=./... -coverprofile=.tmp/cover.out ./... >/dev/null
	go tool cover -func=.tmp/cover.out

.PHONY: ci
ci: ## Run all that must hold before a change lands
	.ci/run
