#!/usr/bin/env bash
# A run on this machine that outlives the connection that started it.
#
#   control_worker.sh start [VARIABLE=VALUE...] NAME [FLAG...]
#   control_worker.sh status     running, its exit status, lost (the machine went down), none
#   control_worker.sh stop
#
# It runs under tmux, without tmux under nohup. Files: runs/worker/{log,pid,status}.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
files=runs/worker
mkdir -p "$files"

state() {
  if [ -s "$files/status" ]; then
    cat "$files/status"
  elif [ ! -s "$files/pid" ]; then
    echo none
  elif kill -0 "$(cat "$files/pid")" 2>/dev/null; then
    echo running
  else
    echo lost
  fi
}

start() {
  local variables=() words
  if [ "$(state)" = running ]; then
    echo "error: $(hostname) has a run already; stop it first" >&2
    exit 1
  fi
  rm -f "$files/status" "$files/pid"
  while [[ ${1:-} == [A-Za-z_]*=* ]]; do
    variables+=("$1")
    shift
  done
  words=$(printf '%q ' env ${variables[@]+"${variables[@]}"} \
    bash launch/control_worker.sh attend "$@")
  if command -v tmux >/dev/null; then
    tmux new-session -d -s iclr22 -c "$PWD" "$words"
  else
    nohup setsid bash -c "$words" </dev/null >/dev/null 2>&1 &
  fi
  until [ -s "$files/pid" ]; do sleep 0.1; done
  echo "$(hostname): started $*"
}

# Start the worker script and write down how it ends.
attend() {
  local status=0
  : >>"$files/log" # there before anybody is told that the run has started
  bash launch/run_worker.sh "$@" >>"$files/log" 2>&1 </dev/null &
  echo $! >"$files/pid"
  wait $! || status=$?
  echo "$status" >"$files/status"
  echo "ended with status $status" >>"$files/log"
}

stop() {
  local pid waited=0
  if [ "$(state)" != running ]; then
    echo "$(hostname): nothing runs"
    return
  fi
  pid=$(cat "$files/pid")
  kill -TERM "$pid"
  until [ -s "$files/status" ] || ((waited++ >= 10 * ${GRACE:-30})); do sleep 0.1; done
  if [ ! -s "$files/status" ]; then # JAX does not heed the asking
    pkill -KILL -P "$pid" || true
    kill -KILL "$pid" 2>/dev/null || true
  fi
  echo "$(hostname): stopped"
}

case ${1:-} in
  start | stop | attend) "$@" ;;
  status) state ;;
  *)
    echo "usage: control_worker.sh start|status|stop" >&2
    exit 2
    ;;
esac
