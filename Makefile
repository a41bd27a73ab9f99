# `make` alone prints what there is to make. Needs Go and GNU make; `make test` asks .ci/setup for the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO       ?= go
FUZZTIME ?= 10s
BENCH    ?= .
CONFIG   ?=
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)

DIST    := host/internal/plugin/builtin/dist
PLUGINS := $(patsubst plugins/%/plugin.yaml,%,$(wildcard plugins/*/plugin.yaml))
MODULES := $(PLUGINS:%=$(DIST)/%.wasm)
GUESTS  := ./abi/... ./sdk/... ./plugins/... ./testplugins/...

# What every plugin is made of, and what builds plugins. Tests and the folder sdktest never become part of either.
SHARED := $(shell find abi sdk -name sdktest -prune -o -name '*.go' ! -name '*_test.go' -print) go.mod go.sum
HOST   := $(shell find host -name testdata -prune -o -name '*.go' ! -name '*_test.go' -print)

# The race detector needs a C compiler. Asked when a recipe runs, since the set-up may have just installed one.
RACE = $(shell command -v "$$($(GO) env CC | cut -d' ' -f1)" >/dev/null && echo -race)
# Everything but the proofs with real clients, which run once, alone and without the race detector.
UNITS = $(shell $(GO) list ./... | grep -v '/host/e2e')

# Packages whose tests boot whole servers: compiling their WebAssembly under the race detector takes minutes. `make race` does it all the same. They wait most of
# the time, so more of them run beside each other than there are cores.
WHOLE := github.com/weir-media/weir/host github.com/weir-media/weir/host/hosttest github.com/weir-media/weir/host/cmd/weir \
	github.com/weir-media/weir/host/internal/scaffold github.com/weir-media/weir/host/internal/plugin/conform

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: plugins ## build the plugins, then bin/weir
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.release=$(VERSION)' -o bin/weir ./host/cmd/weir

# A bootstrap host, which has no plugin inside, builds the plugins that the real one gets. It is made only when a plugin is out of date.
.PHONY: plugins
plugins: ## build each plugins/NAME into the host's folder of built-in modules
	@rm -f $(filter-out $(MODULES),$(wildcard $(DIST)/*.wasm))
	@$(MAKE) --no-print-directory -q modules || { $(MAKE) --no-print-directory bin/weir-bootstrap && $(MAKE) --no-print-directory modules; }

.PHONY: modules
modules: $(MODULES)

bin/weir-bootstrap: $(HOST) $(SHARED)
	CGO_ENABLED=0 $(GO) build -buildvcs=false -o $@ ./host/cmd/weir

# A plugin's folder stands for the files that were removed from it.
define module
$(DIST)/$(1).wasm: plugins/$(1) plugins/$(1)/plugin.yaml $(filter-out %_test.go,$(wildcard plugins/$(1)/*.go)) $(SHARED)
	@bin/weir-bootstrap plugin build plugins/$(1) -o $$@ | sed -n 1p
endef
$(foreach plugin,$(PLUGINS),$(eval $(call module,$(plugin))))

.PHONY: run
run: build ## build, then serve the demo on port 8080 (CONFIG=FILE: serve that instead)
	exec bin/weir serve $(if $(CONFIG),-c $(CONFIG))

.PHONY: setup
setup:
	@.ci/setup

.PHONY: test
test: setup build ## everything that a change must pass, in less than 15 minutes on two cores
	$(GO) vet ./...
	$(if $(RACE),,@echo 'make test: no C compiler, so this run has no race detector')
	$(GO) test $(RACE) -short -timeout 10m $(filter-out $(WHOLE),$(UNITS))
	$(GO) test -short -parallel 4 -timeout 10m $(WHOLE)
	$(GO) test -count=1 -p 1 -timeout 10m ./host/e2e/...

.PHONY: race
race: ## all tests but the real clients, with the race detector, nothing taken from the cache
	$(GO) test -race -count=1 -timeout 20m $(UNITS)

.PHONY: e2e
e2e: build ## the proofs with real encoders and players
	$(GO) test -v -count=1 -p 1 -timeout 20m ./host/e2e/...

.PHONY: soak
soak: build ## the long proofs (reloads, kills, many viewers) at full length: hours
	WEIR_SOAK=1 $(GO) test -race -count=1 -timeout 6h $(UNITS)
	WEIR_SOAK=1 $(GO) test -v -count=1 -p 1 -timeout 6h ./host/e2e/...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (10s)
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ {names[++n] = $$1} /^ok/ {for (i = 1; i <= n; i++) print $$2, names[i]; n = 0}' | \
	while read -r package target; do \
		echo "== $$package $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package"; \
	done

# BENCH_ROWS: a regular expression for the rows, which `bin/bench -list` prints; some rows alone leave RESULTS.md as it is. PEERS=1: install the others first.
.PHONY: bench
bench: build ## weir beside the floor and other servers: a table of ratios, and host/bench/RESULTS.md (half an hour; BENCH_ROWS=, ROUNDS=, PEERS=1)
	@$(GO) build -o bin/bench ./host/bench
	bin/bench -weir bin/weir $(if $(BENCH_ROWS),-rows '$(BENCH_ROWS)') $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(PEERS),-peers) $(if $(BENCH_ROWS),,-o host/bench/RESULTS.md)

.PHONY: microbench
microbench: ## the Go benchmarks whose names match BENCH (all), with allocations, then the medians of what an event costs
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(UNITS)
	WEIR_COSTS=1 $(GO) test -count=1 -v -run '^TestCostTable$$' ./host/internal/plugin/conform

.PHONY: lint
lint: ## gofmt, go vet for the host and for WebAssembly, golangci-lint if it is installed
	@files=$$(gofmt -l abi host plugins sdk testplugins); if [ -n "$$files" ]; then echo "not as gofmt writes it:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet $(GUESTS)
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; else echo 'make lint: golangci-lint is not installed, .golangci.yaml was not applied'; fi

.PHONY: generate
generate: ## write the generated files anew
	$(GO) generate ./...

.PHONY: check
check: lint build ## the quick look before a commit: lint, build, short tests, the root plugins.yaml
	bin/weir check -c plugins.yaml
	$(GO) test -short $(UNITS)

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin $(DIST)/*.wasm
