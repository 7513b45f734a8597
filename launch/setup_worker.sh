#!/usr/bin/env bash
# Make a machine ready: setup_worker.sh [EXTRA], EXTRA is tpu (default), gpu or none.
#
# Python 3.11 or newer (images of TPU VMs have 3.10), a virtual environment .venv with the
# package, and gcsfuse on a pod. May be run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/hosts.sh

extra=${1:-tpu}
case $extra in
  tpu | gpu | none) ;;
  *) # also --help: nothing is installed
    echo "usage: setup_worker.sh [tpu|gpu|none]" >&2
    [ "$extra" = --help ] && exit 0 || exit 2
    ;;
esac
extras=plot,data
[ "$extra" = none ] || extras=$extra,$extras

apt() { # a fresh machine may still be updating itself
  sudo DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 --quiet --yes "$@"
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

make_environment() {
  local python
  ! is_new_enough .venv/bin/python || return 0
  for python in python3.13 python3.12 python3.11 python3; do
    # On Debian venv is a package of its own and may be missing.
    if is_new_enough "$python" && "$python" -m venv --clear .venv; then
      return
    fi
  done
  with_uv || with_deadsnakes
}

with_uv() {
  command -v uv >/dev/null || python3 -m pip install --quiet --user uv || return
  PATH=$PATH:$HOME/.local/bin uv venv --quiet --clear --seed --python 3.11 .venv
}

with_deadsnakes() {
  apt update
  apt install software-properties-common
  sudo add-apt-repository --yes ppa:deadsnakes/ppa
  apt install python3.11 python3.11-venv
  python3.11 -m venv --clear .venv
}

install_gcsfuse() {
  local list=/etc/apt/sources.list.d/gcsfuse.list key=/usr/share/keyrings/cloud.google.asc
  local source=https://packages.cloud.google.com/apt
  sudo curl --silent --show-error --fail --output "$key" "$source/doc/apt-key.gpg"
  echo "deb [signed-by=$key] $source gcsfuse-$(lsb_release -c -s) main" | sudo tee "$list" >/dev/null
  apt update
  apt install gcsfuse
}

make_environment
.venv/bin/python -m pip install --quiet --upgrade pip
.venv/bin/python -m pip install --quiet --editable ".[$extras]"
if [ "$extra" = tpu ] && [ "$(hosts)" -gt 1 ] && ! command -v gcsfuse >/dev/null; then
  install_gcsfuse
fi
echo "$(hostname): ready, $(.venv/bin/python --version)"
