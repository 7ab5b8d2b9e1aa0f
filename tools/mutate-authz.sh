#!/usr/bin/env bash
# Breaks the policy evaluator on purpose, one rule at a time, in a copy below target/mutants, and sees to it that its
# tests notice each. Ends with 1 if a mutation survives, with 2 if the run itself is worth nothing.
# FULL=1: also a whole server that allows everything, against the end-to-end tests; needs `make setup`.
# ONLY=text: only the mutations whose name has the text.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MUTANTS=$PWD/target/mutants
readonly COPY=$MUTANTS/source LOG=$MUTANTS/log
readonly E2E=tests/e2e/authorization/test_principals.py
# A mutant may make a loop endless.
readonly TEST_SECONDS_MAX=900
export CARGO_TARGET_DIR=$MUTANTS/target
CARGO=${CARGO:-cargo}
survived=0 tried=0

die() { printf '\nmutate: %s\n\n' "$*" >&2; exit 2; }
row() { printf '  %-80s %s\n' "$1" "$2"; }

# What git keeps or would keep, as it is now. New times on all files: nothing built before counts as fresh.
copy_sources() {
    rm -rf "$COPY"
    mkdir -p "$COPY"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do
            if [ -f "$file" ]; then printf '%s\0' "$file"; fi
        done | xargs -0 cp --parents -t "$COPY"
}

# Replaces one place in a file of the copy. The text must be there exactly once.
replace() { # file, old, new
    local text before after
    text=$(<"$1")
    before=${text%%"$2"*} after=${text#*"$2"}
    [ "$before" != "$text" ] || die "$1 no longer has this text, so the mutation must be written anew: $2"
    [[ $after != *"$2"* ]] || die "$1 has this text more than once: $2"
    printf '%s%s%s\n' "$before" "$3" "$after" >"$1"
}

cargo_test() { # package
    (cd "$COPY" && timeout "$TEST_SECONDS_MAX" "$CARGO" test -q -p "$1" --lib --tests) >"$LOG" 2>&1
}

# A mutant that does not compile shows nothing.
build_tests() { # name, package
    (cd "$COPY" && "$CARGO" test -q --no-run -p "$2" --lib --tests) >"$LOG" 2>&1 || { tail -n 40 "$LOG" >&2; die "does not compile: $1"; }
}

# Tests that fail anyway catch nothing.
must_pass() { # package
    build_tests "nothing changed" "$1"
    cargo_test "$1" || { tail -n 40 "$LOG" >&2; die "the tests of $1 fail without any mutation"; }
    row "none ($1)" "passes, as it must"
}

# The tests of a package must fail; says which one did first.
must_fail() { # name, package
    tried=$((tried + 1))
    build_tests "$1" "$2"
    local code=0
    cargo_test "$2" || code=$?
    if [ "$code" = 0 ]; then
        row "$1 ($2)" SURVIVED
        survived=$((survived + 1))
    elif [ "$code" = 124 ]; then
        row "$1 ($2)" "caught: no end within $TEST_SECONDS_MAX s"
    else
        local first
        first=$(sed -n 's/^---- \(.*\) stdout ----$/\1/p' "$LOG" | head -n 1)
        [ -n "$first" ] || { tail -n 40 "$LOG" >&2; die "failed, but no test did: $1"; }
        row "$1 ($2)" "caught: $first"
    fi
}

# A server that allows everything must fail tests of denials, and pass those of grants: then it is the tests that see it.
server_must_fail() { # name
    tried=$((tried + 1))
    (cd "$COPY" && "$CARGO" build -q -p hearth) >"$LOG" 2>&1 || { tail -n 40 "$LOG" >&2; die "does not build: hearth"; }
    local code=0 summary
    HEARTH_BIN=$CARGO_TARGET_DIR/debug/hearth .venv/bin/python -m pytest -q "$E2E" >"$LOG" 2>&1 || code=$?
    summary=$(tail -n 1 "$LOG")
    if [ "$code" = 0 ]; then
        row "$1 ($E2E)" SURVIVED
        survived=$((survived + 1))
    elif [[ $code = 1 && $summary = *failed*passed* && $summary != *error* ]]; then
        row "$1 (end to end)" "caught: $summary"
    else
        tail -n 40 "$LOG" >&2
        die "the end-to-end tests did not run as they should: $summary"
    fi
}

# Applies one mutation, runs what should notice, and takes it back.
mutation() { # name, file below crates/authz/src, old, new, what else should notice
    [[ $1 = *"${ONLY:-}"* ]] || return 0
    local file=$COPY/crates/authz/src/$2
    if [ "${5:-}" = more ]; then must_pass hearth-iam; fi
    cp "$file" "$MUTANTS/original"
    replace "$file" "$3" "$4"
    must_fail "$1" hearth-authz
    if [ "${5:-}" = more ]; then
        must_fail "$1" hearth-iam
        if [ "${FULL:-}" = 1 ]; then
            [ -x .venv/bin/python ] || die "FULL=1 needs .venv: make setup"
            server_must_fail "$1"
        fi
    fi
    # With a new time: the next build must see it.
    cp "$MUTANTS/original" "$file"
}

mkdir -p "$MUTANTS"
exec 9>"$MUTANTS/lock"
flock -n 9 || die "another run is at work in $MUTANTS"
copy_sources
echo "mutations of crates/authz"
must_pass hearth-authz
mutation "an explicit deny is ignored" evaluate.rs \
    'if let Some(found) = said.denies {' \
    'if let Some(found) = said.denies.filter(|_| false) {'
mutation "a boundary limits nothing" evaluate.rs \
    'let in_boundary = boundary.is_none() || by_boundary.allows.is_some();' \
    'let in_boundary = true;'
mutation "a boundary denies nothing" evaluate.rs \
    '[&identity, &by_boundary, &by_session, &resource]' \
    '[&identity, &by_session, &resource]'
mutation "session policies limit nothing" evaluate.rs \
    'let in_session = session.is_empty() || by_session.allows.is_some();' \
    'let in_session = true;'
mutation "session policies deny nothing" evaluate.rs \
    '[&identity, &by_boundary, &by_session, &resource]' \
    '[&identity, &by_boundary, &resource]'
mutation "conditions always hold" policy/statement.rs \
    '.all(|condition| condition.holds(keys))' \
    '.all(|condition| condition.holds(keys) || true)'
mutation "one condition of several is enough" policy/statement.rs \
    'self.conditions.iter().all(|condition| condition.holds(keys))' \
    '(self.conditions.is_empty() || self.conditions.iter().any(|condition| condition.holds(keys)))'
mutation "IfExists is ignored" condition/mod.rs \
    '(_, None) if *if_exists => true,' \
    '(_, None) if *if_exists && false => true,'
mutation "an account in a resource policy stands for its callers" principal.rs \
    'account.map(|_| Standing::Account)' \
    'account.map(|_| Standing::Itself)'
mutation "an account in a resource policy needs no identity policy" evaluate.rs \
    'Some(Standing::Account) | None => false,' \
    'Some(Standing::Account) => true, None => false,'
mutation "across accounts the identity's side is enough" evaluate.rs \
    'return identity_side && self.standing.is_some();' \
    'return identity_side;'
mutation "across accounts the resource's side is enough" evaluate.rs \
    'return identity_side && self.standing.is_some();' \
    'return self.standing.is_some();'
mutation "NotAction and NotResource are read without their Not" policy/statement.rs \
    'pattern.matches_folded(text, keys)) != listed.is_negated' \
    'pattern.matches_folded(text, keys))'
mutation "NotPrincipal is read as Principal" policy/statement.rs \
    'items.standing_if_left_out(request.caller)?' \
    'items.standing(request.caller)?'
mutation "NotPrincipal is ignored" policy/statement.rs \
    'Some(Listed { items, is_negated: true }) => items.standing_if_left_out(request.caller)?' \
    'Some(Listed { is_negated: true, .. }) => Standing::Itself'
mutation "a role's trust is not required" evaluate.rs \
    'is_direct || is_delegated || identity_side && !is_trust' \
    'is_direct || is_delegated || identity_side'
mutation "services and strangers need no consent" evaluate.rs \
    "            return self.standing.is_some();
        };" \
    "            return true;
        };"
mutation "of several statements the first counts, not the strongest" evaluate.rs \
    'Effect::Allow if self.standing < Some(standing) => {' \
    'Effect::Allow if self.standing.is_none() => {'
mutation "what is no number counts as 0" condition/operator.rs \
    'number(text).map_or(Self::Nothing, |wanted| Self::Number(compare, wanted))' \
    'Self::Number(compare, number(text).unwrap_or(0.0))'
mutation "addresses of version 6 are compared with those of version 4" condition/operator.rs \
    'value_is_v4 == *is_v4 && ' \
    ''
# Last, for it is built with the most.
mutation "everything is allowed" evaluate.rs \
    '    let action = fold(request.action);' \
    '    if !request.action.is_empty() { return Decision { allowed: true, reason: Reason::Root }; }
    let action = fold(request.action);' more

[ "$tried" -gt 0 ] || die "no mutation has \"${ONLY:-}\" in its name"
if [ "$survived" -gt 0 ]; then
    printf '\n%d of %d SURVIVED: a test is missing in crates/authz\n\n' "$survived" "$tried" >&2
    exit 1
fi
echo "all $tried caught"
