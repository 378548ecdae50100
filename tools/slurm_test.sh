#!/usr/bin/env bash
# Test on a Slurm cluster, one process per GPU.
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS go to srun; PYTHON is the
# Python. MASTER_PORT is a random one by default, so that jobs on one node do
# not collide.
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [OPTION ...]" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
CHECKPOINT=$4
shift 4
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}

export MASTER_PORT=${MASTER_PORT:-$((20000 + RANDOM % 12000))}

# SRUN_ARGS is several words
# shellcheck disable=SC2086
exec srun --partition "$PARTITION" \
    --job-name "$JOB_NAME" \
    --gres "gpu:$GPUS_PER_NODE" \
    --ntasks "$GPUS" \
    --ntasks-per-node "$GPUS_PER_NODE" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "${BASH_SOURCE[0]}")/test.py" "$CONFIG" \
    "$CHECKPOINT" --launcher slurm "$@"
