# make test needs Go and nothing else; what else it finds (a C compiler, Redis,
# Chromium) it uses. make help lists the targets.

GO          ?= go
COUNT       ?= 1
BENCH       ?= .
BENCHTIME   ?= 200ms
BENCH_PEERS_ARGS ?=
BENCH_ARGS  ?= -seconds 0.6 -sessions 5000 -restart=false
FUZZTIME    ?= 100000x
DEMO_ARGS   ?=
MUTATION_ARGS ?=

GOLANGCI    ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GORELEASER  ?= $(GO) run github.com/goreleaser/goreleaser/v2@v2.15.1
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# With -v Go names each package that it has compiled.
BUILDING = echo 'Building Caddy. The first time takes minutes: Go downloads the modules, then names each package as it compiles it.' >&2

.PHONY: graph help test bench bench-peers fuzz mutation model lint demo build snapshot release-files docs-modules

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' Makefile

test: ## gofmt, go vet and the tests of every module, with the race detector
	@GO='$(GO)' sh .ci/test

bench: ## micro-benchmarks, then the proxy beside plain Caddy (BENCH=<regexp> BENCHTIME=<d> COUNT=<n> BENCH_ARGS=…)
	@$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem -benchtime=$(BENCHTIME) -count=$(COUNT) ./...
	@cd internal/benchmark && $(GO) run . $(BENCH_ARGS)

bench-peers: ## the proxy beside nginx, HAProxy, a Node BFF and oauth2-proxy, those that are here (BENCH_PEERS_ARGS=…)
	@cd internal/benchmark && $(GO) run . -scenario peers $(BENCH_PEERS_ARGS)

fuzz: ## each fuzz target for FUZZTIME (100000x: as many executions)
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' sh .ci/fuzz

mutation: ## break the code on purpose; the tests have to notice (MUTATION_ARGS='-run redis')
	@$(GO) run ./internal/mutation $(MUTATION_ARGS)

model: ## check the model of the refresh with Spin (Debian package spin)
	@sh .ci/model

lint: ## golangci-lint in every module, or staticcheck where that one cannot be built
	@lint='$(GOLANGCI) run'; \
	if ! $(GOLANGCI) version >/dev/null 2>&1; then \
		lint='$(STATICCHECK) ./...'; \
		echo "golangci-lint cannot be built here: staticcheck runs instead."; \
	fi; \
	status=0; \
	for dir in $$(sh .ci/modules); do \
		echo "module $$dir"; (cd "$$dir" && $$lint) || status=1; \
	done; \
	exit $$status

graph: ## which packages import which, from go list; a cycle would not compile
	@$(GO) list -f '{{.ImportPath}}: {{join .Imports " "}}' . ./pkce/... ./tokenstore/... ./internal/... ./cmd/... | sed 's#github.com/caddyspotify/caddy-spotify#.#g' | \
		awk '{ printf "%s", $$1; for (i = 2; i <= NF; i++) if ($$i ~ /^\.(\/|$$)/) printf " %s", $$i; print "" }'

demo: ## the demo: a simulated Spotify, the proxy and a page (DEMO_ARGS=…)
	@$(BUILDING)
	@$(GO) run -v ./cmd/caddy spotify demo $(DEMO_ARGS)

build: ## Caddy with this plugin as ./bin/caddy
	@$(BUILDING)
	@$(GO) build -v -o bin/caddy ./cmd/caddy

snapshot: ## the files of a release in ./dist, without publishing anything
	@GOFLAGS= $(GORELEASER) release --snapshot --clean --skip=publish

release-files: ## the same for the tag of this commit, which the workflow then signs and publishes
	@GOFLAGS= $(GORELEASER) release --clean --skip=publish

docs-modules: ## the modules' documentation as Caddy's website has it, in ./bin/modules
	@mkdir -p bin/modules && $(GO) test ./internal/doccheck -run TestModuleDocs -count=1 -modules "$$PWD/bin/modules"
