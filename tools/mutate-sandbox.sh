#!/usr/bin/env bash
# Takes the walls of a sandbox away one by one, in a build made for that, and sees to it that a probe of
# crates/sandbox/tests/isolation notices each. Prints which did. Ends with 1 if a mutation survives, with 2 if the run
# itself is worth nothing. Needs root: its sandboxes are real.
# ONLY=text: only the mutations whose name has the text.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO=${CARGO:-cargo}

die() { printf '\nmutate-sandbox: %s\n\n' "$*" >&2; exit 2; }

[ "$(id -u)" = 0 ] || die "needs root, as the spawner does"
build=(test -q -p hearth-sandbox --features mutations)
"$CARGO" "${build[@]}" --test isolation --test seccomp --test spawner --no-run || die "does not build"

if [ -z "${ONLY:-}" ]; then
    "$CARGO" "${build[@]}" --test seccomp --test spawner -- --ignored --exact --nocapture \
        every_refusal_that_is_taken_away_is_noticed every_check_that_is_taken_away_is_noticed || exit 1
fi
"$CARGO" "${build[@]}" --test isolation -- --ignored --exact --nocapture \
    mutations::every_wall_that_is_taken_away_is_noticed || exit 1
