#!/usr/bin/env bash
# Train in several processes, one per GPU (without GPUs: on the CPU).
# NNODES, NODE_RANK, MASTER_ADDR and PORT as for torchrun; PYTHON is the Python.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG PROCESSES [OPTION ...]" >&2
    exit 2
fi
CONFIG=$1
PROCESSES=$2
shift 2
PYTHON=${PYTHON:-python}
NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-0}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
if [ -z "${PORT:-}" ]; then
    PORT=29500  # several machines have to agree on it; one takes a free one
    if [ "$NNODES" = 1 ]; then
        PORT=$("$PYTHON" -c 'import socket; s = socket.socket()
s.bind(("", 0)); print(s.getsockname()[1])')
    fi
fi
if [ "$NODE_RANK" = 0 ] && ! "$PYTHON" -c 'import socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[1])))' "$PORT" > /dev/null 2>&1; then
    echo "error: port $PORT cannot be used, it may be taken by another job" \
        "on this machine. Set PORT to a free one, the same for all nodes" >&2
    exit 2
fi

exec "$PYTHON" -m torch.distributed.run \
    --nnodes "$NNODES" \
    --node-rank "$NODE_RANK" \
    --master-addr "$MASTER_ADDR" \
    --master-port "$PORT" \
    --nproc-per-node "$PROCESSES" \
    "$(dirname "${BASH_SOURCE[0]}")/train.py" "$CONFIG" \
    --launcher pytorch "$@"
