#!/usr/bin/env bash
# Compares the training step's speed, in views a second, with plain PyTorch's: the same network, batch and loss, in one run.
#
# usage: scripts/bench_step.sh [--batch_size 64] [--steps 3] [--rounds 2] [--arch resnet50] [--width 64] [--device auto]
# Needs build/bin/ipirm-train and the PyTorch wheel that scripts/setup.sh installs. Cost with the defaults: some 4 minutes
# on 2 idle CPU cores. The contestants take turns, round by round, since a shared machine's speed drifts; on a busy one
# (see the load average that is printed) the figures say little.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
[[ -x $PYTHON ]] || PYTHON=python3
exec "$PYTHON" tests/scripts/bench_step.py "$@"
