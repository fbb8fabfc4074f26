#!/usr/bin/env bash
# From nothing to a result: sets up, trains IP-IRM on the embedded ColoredDigits on the CPU, evaluates, shows a table.
#
# usage: scripts/quickstart.sh [further flags of ipirm-train]
# After the set-up (20 minutes on 2 cores the first time, seconds later) it takes at most 6 minutes on 2 cores.
# The variables of scripts/setup.sh apply (LIBTORCH, BUILD_DIR, JOBS).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BUILD_DIR:-build}/bin
scripts/setup.sh ipirm-train ipirm-linear

run=results/ColoredDigits/quickstart
echo "[quickstart] training IP-IRM on ColoredDigits: 30 epochs, 4 maximizations"
start=$SECONDS
"$bin/ipirm-train" --config configs/quickstart.yaml --name quickstart --overwrite "$@"
trained=$((SECONDS - start))

model=$(find "$run" -name 'model_*.pt' | sort -V | tail -n 1)
echo "[quickstart] linear evaluation of $model"
"$bin/ipirm-linear" --model_path "$model" --dataset ColoredDigits --crop_scale_min .4 --hflip 0 --epochs 20 \
  --batch_size 256 --workers 2 --txt --overwrite --name quickstart --log_level warning
python3 scripts/summarize.py "$run" downstream/ColoredDigits/quickstart
echo "time: training ${trained} s, linear evaluation $((SECONDS - start - trained)) s"
