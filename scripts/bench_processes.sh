#!/usr/bin/env bash
# Compares the time of a training step of one process on 2 threads with that of two processes on 1 thread each.
#
# usage: scripts/bench_processes.sh [further flags of ipirm-train, such as --batch_size 64 or --arch resnet50]
# Needs build/bin/ipirm-train and torchrun of the PyTorch wheel that scripts/setup.sh installs. Some 2 minutes on 2 idle cores. The contestants
# take turns, since a shared machine's speed drifts.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-build/bin} TORCHRUN=${TORCHRUN:-.venv/bin/torchrun}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

flags=(--dataset ColoredDigits --arch resnet18 --width 32 --batch_size 64 --baseline --epochs 1 --max_steps 12 --log_every 1 --workers 1
  --device cpu --results_root "$root" --log_level warning)
# The median of the steps after the first two, in ms.
median() {
  grep -o '"event":"step".*' "$root/ColoredDigits/$1/metrics.jsonl" | grep -oE '"seconds":[0-9.e-]+' | cut -d: -f2 | tail -n +3 |
    sort -g | awk '{ v[NR] = $1 } END { printf "%.1f", 1000 * v[int((NR + 1) / 2)] }'
}
echo "load $(cut -d' ' -f1-3 /proc/loadavg)"
for round in 1 2; do
  OMP_NUM_THREADS=2 "$BIN/ipirm-train" "${flags[@]}" --name "one$round" "$@"
  OMP_NUM_THREADS=1 "$TORCHRUN" --no-python --standalone --nproc_per_node 2 "$BIN/ipirm-train" "${flags[@]}" --name "two$round" "$@" 2>/dev/null
  echo "round $round: one process $(median "one$round") ms a step, two processes $(median "two$round") ms"
done
