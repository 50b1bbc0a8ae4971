#!/usr/bin/env bash
# Run a command against an S3 server of its own, which ends with it: infra/s3/test.sh COMMAND...
# Without root or the packages the command is not run: that fails where CI is set, and says so and passes elsewhere.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
    echo "S3 tests not run: $*" >&2
    if [ -n "${CI:-}" ]; then exit 1; fi
    exit 0
}

[ "$(id -u)" = 0 ] || skip "the server needs root"
for program in radosgw radosgw-admin ceph-mon ceph-osd ceph ceph-authtool monmaptool curl; do
    if ! command -v "$program" >/dev/null; then
        command -v apt-get >/dev/null || skip "$program is not there, nor apt-get to install it"
        "$here/server.sh" install || skip "the server's packages could not be installed"
        break
    fi
done

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/unlearnable-s3.XXXXXX")
export UNLEARNABLE_S3_DIR=$folder/store
finish() {
    "$here/server.sh" stop -9 || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

reached=$("$here/server.sh" start)
set -a
eval "$reached"
set +a
"$@"
