# What the scripts beside this one share. Sourced, with the checkout as working directory.

say() { printf 'setup: %s\n' "$*" >&2; }
loud() { printf '\nsetup: MISSING: %s\n\n' "$*" >&2; }
am_root() { [ "$(id -u)" = 0 ]; }

apt_update_done=
# Installs Debian packages when that is possible: as root, on a system that has apt.
apt_install() {
    am_root && command -v apt-get >/dev/null || return 1
    if [ -z "$apt_update_done" ]; then
        apt-get update -qq >/dev/null || return 1
        apt_update_done=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Where version 2 of the AWS CLI is. Debian 12's package "awscli" is one. It is not on PyPI, and runs only where it was
# packaged for.
aws_cli_v2() {
    local aws
    for aws in /usr/bin/aws /usr/local/bin/aws; do
        if [ -x "$aws" ] && "$aws" --version 2>&1 | grep -q '^aws-cli/2'; then
            printf '%s\n' "$aws"
            return 0
        fi
    done
    return 1
}

# Installs Node packages as a lock file names them. $1: where package.json is; $2: where they go.
npm_ci() {
    rm -rf "$2" && mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2"
    (cd "$2" && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null)
}
