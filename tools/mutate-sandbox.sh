#!/usr/bin/env bash
# Takes the walls of a sandbox away one by one, in a build made for that, and sees to it that a probe of
# crates/sandbox/tests/isolation notices each. Prints which did. Ends with 1 if a mutation survives, with 2 if the run
# itself is worth nothing. Needs root: its sandboxes are real. Runs in network, host name and IPC namespaces of its own,
# because a sandbox that lacks one configures whatever it is in.
# ONLY=text: only the mutations whose name has the text.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO=${CARGO:-cargo}

die() { printf '\nmutate-sandbox: %s\n\n' "$*" >&2; exit 2; }

[ "$(id -u)" = 0 ] || die "needs root, as the spawner does"
build=(test -q -p hearth-sandbox --features mutations)
"$CARGO" "${build[@]}" --test isolation --test seccomp --no-run || die "does not build"

[ -n "${ONLY:-}" ] || "$CARGO" "${build[@]}" --test seccomp -- --ignored --exact --nocapture \
    every_refusal_that_is_taken_away_is_noticed || exit 1
# The interface of a new network namespace is down, and the machine there has no address that others could know.
unshare --net --uts --ipc sh -c 'ip link set lo up && ip address add 10.77.0.1/32 dev lo && exec "$@"' sh "$CARGO" "${build[@]}" --test isolation -- \
    --ignored --exact --nocapture mutations::every_wall_that_is_taken_away_is_noticed || exit 1
