# Akari's tasks. `make` lists them.

MODULES := . integration cmd/akari examples bench
PRESENT := $(foreach m,$(MODULES),$(if $(wildcard $(m)/go.mod),$(m)))
TOOL    := GOWORK=off go tool -modfile=$(CURDIR)/tools/go.mod

.PHONY: help bench bench-all compare guard test evidence money short provide lint fmt vet model invariants vuln faults fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: provide ## the tests of every module, race detector on
	@failed=; for m in $(PRESENT); do echo "== $$m"; \
		(cd $$m && go test -race -timeout 40m $$([ $$m = integration ] && echo -p 1) ./...) || failed="$$failed $$m"; done; \
	if [ -n "$$failed" ]; then echo "tests failed in:$$failed"; exit 1; fi

evidence: provide ## of these the long ones: drivers bare and pooled compared, faults of real servers
	cd integration && go test -race -timeout 40m -p 1 ./conformance ./faults

money: provide ## money moved by transactions under faults, ten minutes a driver or FOR=1h, SEED=n
	cd integration && AKARI_MONEY_FOR=$(or $(FOR),10m) AKARI_MONEY_SEED=$(SEED) go test -race -timeout 0 -count=1 -v ./money

short: ## the root module's quick tests
	go test -race -short ./...

provide: ## find what the tests need, database servers and a C compiler, or install it (Debian, Ubuntu, as root)
	@cd integration && go run ./provide

lint: fmt vet ## gofmt, vet and golangci-lint, every module
	@set -e; for m in $(PRESENT); do (cd $$m && echo "== lint $$m" && $(TOOL) golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi

vet:
	@set -e; for m in $(PRESENT); do (cd $$m && go vet ./... && GOARCH=386 go vet ./...); done

invariants: ## the root module's tests with its invariant checks compiled in
	go test -race -timeout 20m -tags invariants ./...

model: ## the SPIN model of the bag, and that it notices mutants
	internal/bag/model/check.sh
	internal/bag/model/check.sh --mutants

vuln: ## known vulnerabilities, where the database of them can be reached
	@set -e; for m in $(PRESENT); do (cd $$m && echo "== govulncheck $$m" && \
		{ out=$$($(TOOL) govulncheck ./... 2>&1) && echo "$$out" || \
		{ echo "$$out" | grep -q 'fetching vulnerabilities' && echo "not checked: the vulnerability database cannot be reached" || { echo "$$out"; exit 1; }; }; }); done

faults: provide ## measure the faults of docs/reliability.md, the pool beside others, and rewrite its table
	cd integration && go run ./faults/report

bench: ## the pool beside its peers, ratios of one interleaved run; some six minutes
	go run ./bench

bench-all: ## the whole grid, and docs/performance.md and its charts written anew; a quarter of an hour, on an idle machine
	go run ./bench -full -write docs/performance.md

compare: ## benchmarks of the pool as it is and as it was, at the last commit or BASE=<ref>; two minutes
	@bench/compare.sh

guard: ## that the pool costs no more than it may, in cycles of its peers and in allocations
	cd bench && go test -count=1 -run Guard .

fuzz: ## ten minutes of fuzzing
	go test -run xxx -fuzz FuzzBag -fuzztime 3m ./internal/bag
	go test -run xxx -fuzz FuzzClassify -fuzztime 3m ./internal/sessionstate
	go test -run xxx -fuzz FuzzPool -fuzztime 4m .
