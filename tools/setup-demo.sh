#!/usr/bin/env bash
# Installs what the photo album of `make demo` needs: version 2 of the AWS CLI, and the packages of its Node function
# below .tools. What cannot be had is said loudly; the demo then leaves the album out, and says so, too.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

readonly FROM=examples/thumbnail TO=.tools/demo/thumbnail

if ! aws_cli_v2 >/dev/null; then
    say "AWS CLI v2 as Debian's package awscli"
    apt_install awscli || loud "AWS CLI v2 (Debian, as root: apt-get install awscli)"
fi
wanted=$(cat "$FROM"/package*.json | sha256sum | cut -d' ' -f1)
if [ ! -f "$TO.stamp" ] || [ "$(cat "$TO.stamp")" != "$wanted" ]; then
    if command -v npm >/dev/null || apt_install npm; then
        say "Node packages of $FROM"
        npm_ci "$FROM" "$TO" && printf '%s\n' "$wanted" >"$TO.stamp" || loud "the packages of $FROM"
    else
        loud "npm (Debian: apt-get install npm)"
    fi
fi
