# make demo needs a Debian with Go and the right to install packages; everything else is set up here.
GO      ?= go
VERSION ?= 0.1.0-dev
PACKAGES = nginx-light openssh-server openssh-client busybox curl shellcheck procps iproute2 util-linux
FLEET_PACKAGES = debootstrap systemd-container sudo tcsh
E2E      = ./testdata/fleet/... ./testdata/seed/... ./testdata/e2e/...
QUICK    = ./... ./testdata/demo/... ./testdata/lab/... ./testdata/load/... ./testdata/mutants/... ./testdata/sim/...
ALL      = ./... $(patsubst %,./%/...,$(wildcard testdata/*))
RUN     ?= .
FUZZTIME ?= 30s
export CGO_ENABLED ?= 0

.PHONY: build test race e2e matrix lint bench fuzz mutants demo packages fleet-packages golden

build:
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/shipctl ./cmd/shipctl

# packages: what the tests and the demo use, from Debian.
packages:
	@sh .ci/packages $(PACKAGES)

fleet-packages: packages
	@sh .ci/packages $(FLEET_PACKAGES)

test: packages
	$(GO) vet ./...
	sh .ci/test $(GO) test -timeout 20m $(QUICK)

# race is the tests of what runs at once, under Go's race detector, which needs a C compiler.
race: packages
	@sh .ci/packages gcc libc6-dev
	CGO_ENABLED=1 sh .ci/test $(GO) test -race -timeout 20m ./cmd/... ./config/... ./executor/... ./planner/... ./providers ./providers/remote/... ./providers/window/... ./testdata/load/...

# e2e boots real machines: systemd, sshd and nginx in containers of their own. Needs root. Of what takes longest, the crash
# matrix and an interrupt at each step, it runs a part.
e2e: fleet-packages build
	sh .ci/test $(GO) test -timeout 180m -p 1 -parallel 5 -run '$(RUN)' $(E2E)

# matrix is every cell of docs/crash-matrix.md, an interrupt at each step of a deployment, and 50 histories of the simulator's
# on the fleet. Needs root.
matrix: fleet-packages build
	SHIPCTL_MATRIX=all sh .ci/test $(GO) test -timeout 180m -parallel 9 -run 'TestCrashMatrix|TestInterrupts|TestReplay$$' ./testdata/e2e/...

# lint builds its programs once, from tools.mod: a few minutes.
lint: packages
	$(GO) vet $(ALL)
	$(GO) tool -modfile=tools.mod golangci-lint run $(ALL)
	shellcheck -s sh -e SC2034,SC2154 $$(git ls-files '*.sh') # a variable may be for a script that is joined to it: the tests check them joined
	shellcheck .ci/*

bench:
	$(GO) test -run '^$$' -bench . -benchtime 20x ./testdata/bench/... ./providers/window/cron

fuzz:
	sh .ci/fuzz $(FUZZTIME)

mutants: packages
	$(GO) run ./testdata/mutants

demo: packages
	$(GO) run ./testdata/demo
