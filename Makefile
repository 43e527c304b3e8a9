# Waypoint, serverless. `make` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help

GO      ?= go
BIN     := bin
TOOLS   := $(BIN)/tools
VERSION ?=
LDFLAGS := -s -w $(if $(VERSION),-X github.com/waypoint-serverless/waypoint/internal/version.release=$(VERSION))
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'

# The race detector needs cgo and a C compiler; CI requires it (see .ci/run).
HAVE_CC := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo yes)
RACE    ?= $(if $(HAVE_CC),-race)
TESTENV := $(if $(RACE),CGO_ENABLED=1,CGO_ENABLED=0)
PKGS    ?= ./...

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Where `make install` puts the programs: /usr/local if it may be written, else the user's own folder.
PREFIX ?= $(shell [ -w /usr/local/bin ] && echo /usr/local || echo $(HOME)/.local)

.PHONY: install
install: ## Install waypoint, its plugins, man pages and completion into PREFIX (/usr/local or ~/.local)
	GOTOOLCHAIN=$(TOOLCHAIN) $(GO) run ./internal/release/dist -only native -out $(BIN)/release -version '$(VERSION)'
	@tools/install.sh $(BIN)/release '$(DESTDIR)$(PREFIX)'

.PHONY: up
up: build ## Build everything, start the local server and bring examples/hello up
	@examples/up.sh $(CURDIR)/$(BIN)/waypoint

.PHONY: down
down: build ## Destroy what `make up` made and stop the local server (data is kept)
	@examples/down.sh $(CURDIR)/$(BIN)/waypoint

.PHONY: build
build: ## Build the CLI, waypoint-plugins, the entrypoint and the functions' bootstrap into bin/
	$(GOBUILD) -o $(BIN)/waypoint ./cli/waypoint
	$(GOBUILD) -o $(BIN)/waypoint-plugins ./runner/waypoint-plugins
	$(GOBUILD) -o $(BIN)/waypoint-entrypoint ./entrypoint/waypoint-entrypoint
	@# What is put into images: a release carries both.
	@for arch in amd64 arm64; do \
	  GOOS=linux GOARCH=$$arch $(GOBUILD) -o $(BIN)/waypoint-entrypoint-linux-$$arch ./entrypoint/waypoint-entrypoint || exit 1; \
	done
	$(GOBUILD) -tags lambda.norpc -o $(BIN)/bootstrap ./functions/bootstrap

# Some packages mostly wait (leases, long polls): three at once keep two cores busy.
.PHONY: test
test: $(TOOLS)/gotestsum ## Run all tests (with -race where there is a C compiler) and say how many ran
	$(TESTENV) $(TOOLS)/gotestsum --format pkgname-and-test-fails --hide-summary=skipped -- $(RACE) -p 3 -timeout 40m $(PKGS)

.PHONY: test-conflicts
test-conflicts: ## Run the functions' tests while one in four writes and transactions meets a conflict
	@echo "conflicts are injected into one in four writes and transactions"
	WAYPOINT_TEST_CONFLICTS=0.25 $(GO) test -count=1 -timeout 20m ./functions ./functions/api ./functions/internal/jobs ./functions/internal/store

.PHONY: test-engines
test-engines: ## Run the conformance suites on the engines, their referees (Java 17, npm) and AWS_ENDPOINT_URL: one table
	$(GO) run ./localstack/aws/suite/engines $(if $(CI),-require-referees)

.PHONY: validate-infra
validate-infra: ## Check the AWS template, and that each IAM role allows exactly the calls its function makes (npm, no AWS account)
	@command -v npm >/dev/null || { echo "validate-infra needs npm (Node.js 20 or newer)"; exit 1; }
	cd infra/validate && npm ci --silent --no-audit --no-fund && npm run -s validate

.PHONY: record-calls
record-calls: ## Record which AWS calls the functions make in the tests, and write infra/validate/calls.json
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	WAYPOINT_RECORD_CALLS=$$dir $(GO) test -count=1 -timeout 40m ./functions ./localstack/server ./e2e && \
	cd infra/validate && $(GO) run . -recorded "$$dir" -write

# Without a network testcontainers must do without its reaper; an engine of this machine is reached at 127.0.0.1, also from
# within a container in which `localhost` is another.
LOCAL_ENGINE := $(if $(filter tcp:% ssh:%,$(DOCKER_HOST)),,127.0.0.1)
.PHONY: test-localstack
test-localstack: ## Run the end-to-end suite on LocalStack in a container, or on the endpoint in AWS_ENDPOINT_URL
	TESTCONTAINERS_RYUK_DISABLED=$${TESTCONTAINERS_RYUK_DISABLED:-true} TESTCONTAINERS_HOST_OVERRIDE=$${TESTCONTAINERS_HOST_OVERRIDE:-$(LOCAL_ENGINE)} \
	  $(GO) test -tags localstack -count=1 -timeout 20m -v -run '^TestLocalStack$$' ./e2e

.PHONY: test-packages
test-packages: ## Make this machine's packages and image and try them in empty roots: as root, with mmdebstrap, rpm and curl
	GOTOOLCHAIN=$(TOOLCHAIN) $(GO) run ./internal/release/dist -only native -packages -image -out $(BIN)/packages -version 0.1.0
	tools/packages/try.sh $(BIN)/packages

.PHONY: test-docker
test-docker: build ## Test the docker plugins on a Docker engine, with images FROM scratch and a registry of its own
	$(GO) test -tags docker -count=1 -timeout 30m -parallel 4 -run '^TestDocker' ./runner/plugins/docker ./runner/plugins/dockerpull ./entrypoint/waypoint-entrypoint ./e2e

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Check formatting, vet, lints and dependency directions
	$(TOOLS)/golangci-lint run --build-tags localstack,docker ./...

.PHONY: generate
generate: $(TOOLS)/protogen ## Generate the Go code of the contract
	rm -rf api/waypoint
	$(TOOLS)/protogen -root api/proto -out . -module github.com/waypoint-serverless/waypoint -plugins $(TOOLS)

# The pages are made of what the program has embedded, so that comes first.
.PHONY: docs
docs: ## Write the reference (docs/reference) from the plugins' structs, the contract and the language's rules
	$(GO) run ./runner/plugins/schema/generate fields
	$(GO) run ./runner/plugins/schema/generate pages
	$(GO) test -count=1 -run TestReferencePage ./api/access ./internal/config -update

# Whether it compiles shows without optimizing, in two thirds of the time; this system's is the build's own. The programs
# keep their symbols: without them govulncheck takes every function of a module for linked on Windows.
NATIVE := $(shell $(GO) env GOHOSTOS)/$(shell $(GO) env GOHOSTARCH)

.PHONY: cross
cross: ## Compile for linux, darwin and windows on amd64 and arm64
	@for os in linux darwin windows; do for arch in amd64 arm64; do \
	  echo "compiling for $$os/$$arch"; \
	  quick=; [ "$$os/$$arch" = "$(NATIVE)" ] || quick='-gcflags=all=-N -l'; \
	  mkdir -p $(BIN)/cross/$$os-$$arch; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -trimpath $${quick:+"$$quick"} -o $(BIN)/cross/$$os-$$arch/ ./cli/waypoint ./runner/waypoint-plugins ./entrypoint/waypoint-entrypoint || exit 1; \
	done; done

# A release is made, and CI runs, with this version of Go: the standard library's newest fixes are in what is handed out.
TOOLCHAIN := $(shell cat internal/release/programs/toolchain.txt)

.PHONY: dist
dist: ## Make a release in dist/; DIST_VERIFY=1 makes it twice, compares, and tries it, =cold with no cache; IMAGE=no
	GOTOOLCHAIN=$(TOOLCHAIN) $(GO) run ./internal/release/dist -version '$(VERSION)' $(if $(DIST_VERIFY),-verify) $(if $(filter cold,$(DIST_VERIFY)),-cold) $(if $(filter no,$(IMAGE)),,-image)

.PHONY: notice
notice: ## Write NOTICE, the licences of what the programs of a release link
	GOTOOLCHAIN=$(TOOLCHAIN) $(GO) run ./internal/release/notice

# The bill of what a release links does not depend on optimizing: the programs of `make cross` stand for it.
.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in the programs of a release, offline once the database is there
	GOTOOLCHAIN=$(TOOLCHAIN) $(MAKE) build cross
	.ci/vulncheck $(BIN)/bootstrap $(foreach p,waypoint waypoint-plugins waypoint-entrypoint,$(BIN)/cross/*/$(p) $(BIN)/cross/*/$(p).exe)

.PHONY: sizes
sizes: build ## Check the binaries' sizes, the zip's size, start-up time and memory
	$(GO) run ./bench/sizes -bin $(BIN)

.PHONY: bench
bench: build ## Measure the rows of the performance table, all in one run
	$(GO) run ./bench -bin $(BIN)

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN) dist internal/release/embedded

# Pinned tools, each built from a module of its own below tools/.
$(TOOLS)/protogen: tools/go.mod tools/go.sum tools/protogen/main.go
	@mkdir -p $(TOOLS)
	cd tools && $(GO) build -o ../$(TOOLS)/ ./protogen google.golang.org/protobuf/cmd/protoc-gen-go connectrpc.com/connect/cmd/protoc-gen-connect-go

$(TOOLS)/gotestsum: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	cd tools && $(GO) build -o ../$(TOOLS)/gotestsum gotest.tools/gotestsum

$(TOOLS)/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	@mkdir -p $(TOOLS)
	cd tools/lint && $(GO) build -o ../../$(TOOLS)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
