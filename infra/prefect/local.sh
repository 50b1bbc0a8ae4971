#!/usr/bin/env bash
# A Prefect server and a process worker on this machine, for the deployments of prefect.yaml.
#   local.sh up      start both, deploy everything, print the UI's address; again after a change of prefect.yaml
#   local.sh down    end the worker, with the runs under way (after the next `up` they go on where they stood), and the
#                    server
#   local.sh status  which of both is up
# UNLEARNABLE_PORT (4200) is the server's port on the loopback address; PREFECT_HOME (.prefect) keeps its database, the
# process numbers and the logs. Runs take their environment from the worker: what ./.env says, and this shell.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ -f .env ]; then set -a; . ./.env; set +a; fi
PORT=${UNLEARNABLE_PORT:-4200}
BIN=${UNLEARNABLE_BIN:-$PWD/.venv/bin}
POOL=unlearnable
export PREFECT_HOME=${PREFECT_HOME:-$PWD/.prefect} PREFECT_API_URL=http://127.0.0.1:$PORT/api
export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30
export PATH=$BIN:$PATH # runs start with the python of their worker

alive() { # NAME: its process is there, and not another one of that number, as after the machine was started anew
    [ -f "$PREFECT_HOME/$1.pid" ] || return 1
    local now
    now=$(began "$(number "$1")")
    [ -n "$now" ] && [ "$now" = "$(sed -n 2p "$PREFECT_HOME/$1.pid")" ]
}
number() { head -n 1 "$PREFECT_HOME/$1.pid"; }
began() { # PID: the boot and the moment since then at which it began; elsewhere the time; nothing without a process
    if [ -r /proc/sys/kernel/random/boot_id ]; then
        [ ! -r "/proc/$1/stat" ] ||
            echo "$(cat /proc/sys/kernel/random/boot_id) $(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20)"
    else
        TZ=UTC LC_ALL=C ps -o lstart= -p "$1" || true
    fi
}
start() { # NAME COMMAND...: in the background, in a session of its own, so that `down` ends all that it started
    local name=$1
    shift
    # A shell has what it starts in the background ignore Ctrl-C's signal, by which Prefect ends its own children.
    setsid nohup "$BIN/python" -c \
        'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' "$@" \
        >>"$PREFECT_HOME/$name.log" 2>&1 </dev/null &
    printf '%s\n' "$!" "$(began $!)" >"$PREFECT_HOME/$name.pid"
}
stop() { # NAME
    alive "$1" || { rm -f "$PREFECT_HOME/$1.pid"; return 0; }
    local pid
    pid=$(number "$1")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 -- "-$pid" 2>/dev/null || true # whatever is left of its session
    rm -f "$PREFECT_HOME/$1.pid"
}
require_free_port() { # what else listens there would be taken for our server, and deployed to
    "$BIN/python" -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2)' \
        "$PORT" 2>/dev/null || return 0
    echo "port $PORT is taken by another server: set UNLEARNABLE_PORT" >&2
    exit 1
}
wait_for_server() {
    for _ in $(seq 240); do
        "$BIN/python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=2)' \
            "$PREFECT_API_URL/health" 2>/dev/null && return
        alive server || { echo "the server did not start; see $PREFECT_HOME/server.log" >&2; exit 1; }
        sleep 0.5
    done
    echo "the server does not answer on port $PORT; see $PREFECT_HOME/server.log" >&2
    exit 1
}
automate() { # anew where they have changed or are not there: a new one knows of no run that was heard of before
    local name sum missing=
    sum=$(cksum <infra/prefect/automations.yaml)
    for name in unlearnable-retry-crashed unlearnable-crash-silent; do
        "$BIN/prefect" --no-prompt automation inspect "$name" >/dev/null 2>&1 || missing=$name
    done
    [ -n "$missing" ] || [ "$sum" != "$(cat "$PREFECT_HOME/automations.sum" 2>/dev/null)" ] || return 0
    for name in unlearnable-retry-crashed unlearnable-crash-silent; do
        "$BIN/prefect" --no-prompt automation delete "$name" >/dev/null 2>&1 || true
    done
    "$BIN/prefect" --no-prompt automation create --from-file infra/prefect/automations.yaml
    echo "$sum" >"$PREFECT_HOME/automations.sum"
}
case "${1:-}" in
up)
    if ! alive server; then
        require_free_port
        mkdir -p "$PREFECT_HOME"
        start server "$BIN/prefect" server start --host 127.0.0.1 --port "$PORT"
    fi
    wait_for_server
    "$BIN/prefect" --no-prompt work-pool create "$POOL" --type process --overwrite >/dev/null
    "$BIN/prefect" --no-prompt deploy --all
    automate
    if ! alive worker; then
        "$BIN/python" -m flows.killed_runs
        start worker "$BIN/prefect" worker start --pool "$POOL" --name "$(hostname)"
    fi
    echo "UI: http://127.0.0.1:$PORT   (export PREFECT_API_URL=$PREFECT_API_URL for the command line; make down ends it)"
    ;;
down)
    stop worker
    stop server
    ;;
status)
    for name in server worker; do
        if alive "$name"; then echo "$name: up, process $(number "$name")"; else echo "$name: down"; fi
    done
    ;;
*)
    sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
    ;;
esac
