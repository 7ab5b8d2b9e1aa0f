#!/usr/bin/env bash
# Gets every version of every language that `make test-all` runs functions on into .tools/languages, a data directory, by
# Hearth's own `hearth runtimes install`; and AWS's runtime client for Node.js, built. Nothing is fetched twice. What cannot be
# had is said loudly and written to .tools/languages/missing, which excuses its tests; no other absence is excused.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

readonly LANGUAGES=$PWD/.tools/languages
readonly HEARTH=${HEARTH_BIN:-${CARGO_TARGET_DIR:-target}/debug/hearth}
readonly RUNTIMES=(nodejs18.x nodejs20.x nodejs22.x nodejs24.x nodejs26.x java25 dotnet8
    python3.11 python3.13 python3.14 java17 java17.al2023 java21 ruby3.3)
# No fetch takes longer; npm and pip do not ask a network for long that is not there.
readonly FETCH_SECONDS_MAX=900
export npm_config_fetch_retries=1 PIP_RETRIES=1 PIP_TIMEOUT=30

# $1: what the tests know it by; the rest: why it is not there.
missing() {
    local what=$1
    shift
    printf '%s %s\n' "$what" "$*" >>"$LANGUAGES/missing"
    loud "$what: its tests will be skipped: $*"
}

runtime() {
    local said
    if said=$(timeout "$FETCH_SECONDS_MAX" "$HEARTH" runtimes install "$1" --data "$LANGUAGES" 2>&1 </dev/null); then
        say "$(tail -n 1 <<<"$said")"
    else
        missing "$1" "$(head -n 2 <<<"${said:-it took too long}" | tr '\n' ' ')"
    fi
}

# Its installation compiles libcurl. What is built goes with every Node.js: it uses the stable interface for addons.
aws_lambda_ric() {
    local place=$LANGUAGES/aws-lambda-ric unfinished=$LANGUAGES/.aws-lambda-ric
    local headers log=$LANGUAGES/aws-lambda-ric.log
    [ -d "$place" ] && return
    headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    if [ ! -e "$headers/include/node/node_api.h" ]; then
        headers=$LANGUAGES/runtimes/nodejs22
    fi
    apt_install autoconf automake cmake g++ libtool make python3 || true
    say "aws-lambda-ric (built, which takes some minutes the first time)"
    rm -rf "$unfinished" && mkdir -p "$unfinished"
    cp tests/e2e/languages/aws_lambda_ric/package*.json "$unfinished"
    if (cd "$unfinished" && npm_config_nodedir=$headers MAKEFLAGS=-j$(nproc) timeout "$FETCH_SECONDS_MAX" \
        npm ci --no-audit --no-fund --no-update-notifier --foreground-scripts) >"$log" 2>&1 </dev/null; then
        rm -rf "$unfinished/node_modules/aws-lambda-ric/deps" # what it was built from
        mv "$unfinished" "$place"
    else
        missing aws-lambda-ric "$(grep -im 2 error "$log" | tr '\n' ' '); $log has all of it"
    fi
}

mkdir -p "$LANGUAGES/runtimes"
rm -f "$LANGUAGES/missing"
command -v npm >/dev/null || apt_install npm || true
command -v pip >/dev/null || apt_install python3-pip || true
command -v mmdebstrap >/dev/null || apt_install mmdebstrap || true
for one in "${RUNTIMES[@]}"; do
    runtime "$one"
done
aws_lambda_ric
