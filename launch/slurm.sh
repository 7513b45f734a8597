#!/usr/bin/env bash
# An experiment as a job on a Slurm cluster of GPUs, from the checkout:
#
#   sbatch --nodes=2 launch/slurm.sh diva --dataset=mnist --workdir=/shared/runs/diva
#
# One task per GPU; the options below are defaults, those of the command line win. JAX
# finds the other tasks by itself. A job that is pre-empted, or comes near its time limit,
# is queued again and continues from its work directory.
#SBATCH --job-name=iclr22
#SBATCH --nodes=1
#SBATCH --gpus-per-node=4
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=iclr22-%j.log
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}" # the script itself is a copy elsewhere

if [ $# -eq 0 ] || [ ! -f launch/run_worker.sh ]; then
  echo "usage, in the checkout: sbatch [OPTION...] launch/slurm.sh NAME [FLAG...]" >&2
  exit 2
fi
export JAX_PLATFORMS=${JAX_PLATFORMS:-cuda,cpu}
# JAX gives each task the GPU of its number on the node. A task alone there gets all.
if [ "${SLURM_NTASKS_PER_NODE:-}" = 1 ] && [ -n "${SLURM_GPUS_ON_NODE:-}" ]; then
  JAX_LOCAL_DEVICE_IDS=$(seq -s, 0 $((SLURM_GPUS_ON_NODE - 1)))
  export JAX_LOCAL_DEVICE_IDS
fi

signalled=
again() {
  signalled=yes
  echo "the time limit is near; queued again"
  scontrol requeue "$SLURM_JOB_ID"
}
trap again USR1

srun --kill-on-bad-exit=1 bash launch/run_worker.sh "$@" &
while true; do
  status=0
  wait $! || status=$?
  [ -n "$signalled" ] || break # else it was the signal that ended the waiting
  signalled=
done
exit "$status"
