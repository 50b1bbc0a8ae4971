#!/usr/bin/env bash
# Run a command with a Chromium and axe-core at hand: tests/browser/run.sh COMMAND...
# Without them the command is not run: that fails where CI is set, and says so and passes elsewhere.
set -euo pipefail
AXE_VERSION=4.14.1

skip() {
    echo "browser tests not run: $*" >&2
    if [ -n "${CI:-}" ]; then exit 1; fi
    exit 0
}

if [ -z "${UNLEARNABLE_BROWSER:-}" ] && ! command -v chromium google-chrome >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || skip "there is no chromium; install it, or name one in UNLEARNABLE_BROWSER"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } \
        >&2 || skip "chromium could not be installed"
fi
if [ -z "${UNLEARNABLE_AXE:-}" ]; then
    command -v npm >/dev/null || skip "there is no npm to fetch axe-core with; name its axe.min.js in UNLEARNABLE_AXE"
    place=.venv/axe-$AXE_VERSION
    [ -f "$place/node_modules/axe-core/axe.min.js" ] || npm install --silent --no-audit --no-fund --no-save --ignore-scripts \
        --prefix "$place" "axe-core@$AXE_VERSION" >&2 || skip "axe-core could not be fetched"
    export UNLEARNABLE_AXE=$place/node_modules/axe-core/axe.min.js
fi
"$@"
