#!/usr/bin/env bash
# A real S3 server for tests and local work: Ceph's gateway over one monitor and one store, from Debian's packages, on
# the loopback address. It checks signatures, knows users and policies, and keeps its data over a kill -9. Needs root.
#
#   server.sh install       install the packages that it needs
#   server.sh start         begin an empty store; prints the environment that reaches it
#   server.sh stop [-9]     end it, or kill it as a power cut would; the store stays
#   server.sh restart       go on with the store after a stop or a kill
#   server.sh admin ...     radosgw-admin on it: users, keys, quotas
#   server.sh environment   print the environment again
#
# UNLEARNABLE_S3_DIR   folder of the store and its logs (unlearnable-s3 in TMPDIR or /var/tmp)
# UNLEARNABLE_S3_PORT  port of the server; the monitor takes this one + 1 (two that are free)
set -euo pipefail

place=${UNLEARNABLE_S3_DIR:-${TMPDIR:-/var/tmp}/unlearnable-s3}
config=$place/ceph.conf
access=local-access-key secret=local-secret-key
as_root=(--setuser root --setgroup root)
owner='unlearnable s3 store'

fail() {
    echo "s3 server: $*" >&2
    exit 1
}

free_port() { # the first of two that nobody listens on
    python3 - <<'PYTHON'
import random, socket
while True:
    port = random.randrange(20000, 30000)
    try:
        for one in (port, port + 1):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", one))
    except OSError:
        continue
    print(port)
    break
PYTHON
}

running() { # process ids of the daemons of this store, and of no other process that has inherited such a number
    local file pid
    for file in "$place"/run/*.pid; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$config"; then echo "$pid"; fi
    done
}

write_config() {
    local port=$1
    cat >"$config" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$((port + 1))
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = $place/keyring
run dir = $place/run
admin socket = $place/run/\$name.\$pid.asok
pid file = $place/run/\$name.pid
log file = $place/log/\$name.log
log to stderr = false
err to stderr = false
auth allow insecure global id reclaim = false
# one copy on one store is all there is
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
# a machine's disk may be nearly full and serve a test all the same
mon data avail warn = 2
mon data avail crit = 1
# a monitor without peers need not wait for them
paxos min wait = 0.01
paxos propose interval = 0.05
[mon]
mon data = $place/mon
[osd]
osd data = $place/osd
osd crush update on start = false
osd memory target = 1073741824
# a killed gateway is missed for so many seconds, not for 30
osd client watch timeout = 8
bluestore block create = true
bluestore block size = 10737418240
[client.rgw]
rgw data = $place/rgw
rgw frontends = beast endpoint=127.0.0.1:$port
CONF
}

make_store() {
    local name uuid
    ceph-authtool --create-keyring "$place/keyring" --gen-key -n mon. --cap mon 'allow *'
    for name in client.admin client.rgw osd.0; do
        ceph-authtool "$place/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *'
    done
    monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$config")" \
        --addv a "[$(sed -n 's/^mon host = //p' "$config")]" "$place/monmap"
    ceph-mon -c "$config" -i a --mkfs --monmap "$place/monmap" --keyring "$place/keyring" "${as_root[@]}"
    ceph-mon -c "$config" -i a "${as_root[@]}"
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph -c "$config" osd new "$uuid"
    ceph-osd -c "$config" -i 0 --mkfs --osd-uuid "$uuid" "${as_root[@]}"
    ceph-osd -c "$config" -i 0 "${as_root[@]}"
    ceph -c "$config" osd crush add osd.0 1.0 root=default host=local
}

start_gateway() {
    radosgw -c "$config" -n client.rgw "${as_root[@]}" >>"$place/log/start.log" 2>&1
    for _ in $(seq 600); do
        if curl --silent --output /dev/null "http://127.0.0.1:$(port)"; then return; fi
        sleep 0.1
    done
    fail "no answer within a minute; see $place/log"
}

admin() { radosgw-admin -c "$config" -n client.rgw "$@"; }

port() { sed -n 's/^rgw frontends = .*://p' "$config"; }

environment() {
    echo "AWS_ENDPOINT_URL=http://127.0.0.1:$(port)"
    echo "AWS_ACCESS_KEY_ID=$access"
    echo "AWS_SECRET_ACCESS_KEY=$secret"
    echo "AWS_DEFAULT_REGION=us-east-1"
}

install() {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ceph-common ceph-mon ceph-osd curl radosgw >/dev/null
}

start() {
    [ -z "$(running)" ] || fail "one runs in $place already; stop it, or give another UNLEARNABLE_S3_DIR"
    if [ -e "$place" ] && [ "$(cat "$place/owner" 2>/dev/null)" != "$owner" ]; then
        fail "$place is not a store of this script; give another UNLEARNABLE_S3_DIR"
    fi
    rm -rf "$place"
    mkdir -p "$place"/{mon,osd,rgw,run,log}
    chmod 700 "$place"
    echo "$owner" >"$place/owner"
    write_config "${UNLEARNABLE_S3_PORT:-$(free_port)}"
    make_store >>"$place/log/start.log" 2>&1 || fail "the store could not be made; see $place/log"
    admin user create --uid=local --display-name=local --access-key="$access" --secret-key="$secret" \
        >>"$place/log/start.log" 2>&1 || fail "the user could not be made; see $place/log"
    start_gateway
    environment
}

stop() {
    local pids
    pids=$(running)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086 # one word a process
    kill "${1:--15}" $pids 2>/dev/null || true
    for _ in $(seq 300); do
        [ -n "$(running)" ] || return 0
        sleep 0.1
    done
    fail "processes $(running | tr '\n' ' ')did not end"
}

restart() {
    [ -f "$config" ] || fail "there is no store in $place; start one"
    [ -z "$(running)" ] || fail "it runs already"
    rm -f "$place"/run/*.asok
    ceph-mon -c "$config" -i a "${as_root[@]}" >>"$place/log/start.log" 2>&1
    ceph-osd -c "$config" -i 0 "${as_root[@]}" >>"$place/log/start.log" 2>&1
    start_gateway
    environment
}

case "${1:-}" in
    install | start | stop | restart | admin | environment) "$@" ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
