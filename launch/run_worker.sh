#!/usr/bin/env bash
# One process of an experiment: run_worker.sh NAME [FLAG...]
#
#   launch/run_worker.sh diva --dataset=mnist --workdir=gs://bucket/diva
#
# The same script on a worker of a TPU VM, in a Slurm task and in the rehearsal of
# local_processes.py; --distributed is added. A work directory gs://... becomes a folder,
# because the experiments only know folders: on one machine a copy that is brought from
# the bucket at the start and back every SYNC_EVERY seconds and at the end, on several
# the bucket itself, mounted. launch/README.md tells why.
#
# Environment: PYTHON (default .venv/bin/python, then python3), SYNC_EVERY (default 300),
# and what JAX and the experiments read.
# Relative paths are those of the folder that it is called from.
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/hosts.sh

fail() {
  echo "error: $*" >&2
  exit 1
}

mount_bucket() {
  local name=${bucket#gs://} root
  root=$PWD/runs/mounted/${name%%/*}
  command -v gcsfuse >/dev/null ||
    fail "$bucket is to be shared by several machines; that needs gcsfuse (launch/setup_worker.sh)"
  mkdir -p "$root"
  (
    flock 9 # the processes of one machine share the mount
    # Nothing is cached: a process reads what another one wrote a moment ago.
    mountpoint --quiet "$root" || gcsfuse --implicit-dirs --rename-dir-limit=200000 \
      --metadata-cache-ttl-secs=0 --metadata-cache-negative-ttl-secs=0 "${name%%/*}" "$root"
  ) 9>"$root.lock"
  folder=$PWD/runs/mounted/$name
  mkdir -p "$folder"
}

# The newest archive replaces what an earlier run left on this machine.
download() {
  local said
  rm -rf "$folder" "$folder.tar"
  mkdir -p "$folder"
  if ! said=$(gcloud storage ls "$bucket/workdir.tar" 2>&1); then
    [[ $said == *"matched no objects"* ]] || fail "cannot look into $bucket: $said"
    return
  fi
  gcloud storage cp --quiet "$bucket/workdir.tar" "$folder.tar"
  tar --extract --file="$folder.tar" --directory="$folder"
  rm "$folder.tar"
}

# Files that are complete, those that tell how far another one is before that one.
listed() {
  find . \( -name '.*.[0-9]*' -o -name '*.orbax-checkpoint-tmp*' \) -prune \
    -o \( -type f -o -type d -empty \) -print0 >"$folder.list"
  grep --null-data '\.json$' "$folder.list" || true
  grep --null-data --invert-match '\.json$' "$folder.list" || true
}

# An archive of the folder as it was at one time. Fails if files were removed meanwhile.
pack() (
  cd "$folder"
  listed >"$folder.ordered" || exit
  # Status 1: a file grew while it was read, which does no harm.
  tar --create --file="$folder.tar" --null --no-recursion --ignore-failed-read \
    --files-from="$folder.ordered" --warning=no-file-changed || [ $? -eq 1 ] || exit
  xargs --null --no-run-if-empty ls -d -- <"$folder.ordered" >/dev/null 2>&1
)

# One object, so that whoever reads it finds a whole state, the old one or the new one.
upload() {
  local try
  for try in 1 2 3 4 5; do
    if pack; then
      gcloud storage cp --quiet "$folder.tar" "$bucket/workdir.tar"
      return
    fi
    echo "files vanished while they were packed ($try of 5)" >&2
  done
  return 1
}

end_child() {
  stopping=${stopping:-$SECONDS}
  kill -TERM "$child" 2>/dev/null || true
}

# Run the command; the bucket follows.
supervise() {
  local last=$SECONDS status=0 stopping=
  "$@" &
  child=$!
  trap end_child TERM INT
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.5
    if [ -n "$stopping" ] && ((SECONDS - stopping > 5)); then
      kill -KILL "$child" 2>/dev/null || true # JAX does not heed the asking
    elif ((SECONDS - last >= ${SYNC_EVERY:-300})); then
      upload || echo "could not bring the work directory to $bucket; trying again" >&2
      last=$SECONDS
    fi
  done
  wait "$child" || status=$?
  upload || fail "the end of the run did not reach $bucket; it is in $folder"
  if [ "$status" -eq 0 ]; then # nobody writes any more: readable copies beside it
    gcloud storage rsync --quiet --recursive "$folder" "$bucket"
  fi
  return "$status"
}

[ $# -gt 0 ] || fail "usage: run_worker.sh NAME [FLAG...]"
name=$1
shift
[ -f "experiments/$name/__main__.py" ] || fail "there is no experiments/$name"
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  [ ! -x .venv/bin/python ] || PYTHON=$PWD/.venv/bin/python
fi
bucket=
given=()
for flag in "$@"; do
  case $flag in
    --workdir=gs://*) bucket=${flag#--workdir=} bucket=${bucket%/} ;;
    gs://*) fail "write --workdir=$flag in one word" ;;
    *) given+=("$flag") ;;
  esac
done
command=("$PYTHON" -m "experiments.$name" ${given[@]+"${given[@]}"} --distributed)
if [ -n "${JAX_COMPILATION_CACHE_DIR:-}" ]; then
  command+=("--compile_cache=$JAX_COMPILATION_CACHE_DIR")
fi
folder=$PWD/runs/bucket/${bucket#gs://}
if [ -n "$bucket" ] && [ "$(hosts)" -gt 1 ]; then
  mount_bucket
fi
if [ "$from" != "$PWD" ]; then # so that it is found from there
  export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
  cd "$from"
fi
if [ -z "$bucket" ]; then
  exec "${command[@]}"
elif [ "$(hosts)" -gt 1 ]; then
  exec "${command[@]}" "--workdir=$folder"
fi
if [ "${PROCESS_ID:-${SLURM_PROCID:-0}}" != 0 ]; then
  exec "${command[@]}" "--workdir=$folder" # process 0 keeps the copy; JAX waits for it
fi
download
supervise "${command[@]}" "--workdir=$folder"
