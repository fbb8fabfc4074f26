#!/usr/bin/env bash
# From nothing to a result: sets up, trains IP-IRM on the embedded ColoredDigits on the CPU, evaluates, shows a table.
#
# usage: scripts/quickstart.sh [--again]      --again: train anew instead of showing the results of an earlier call
# After the set-up (15 minutes on 2 cores the first time, seconds later) it takes 2 to 6 minutes on 2 cores (AVX-512, AVX2).
# Stopped by Ctrl-C it goes on where it was when called again. The variables of scripts/setup.sh apply.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BUILD_DIR:-build}/bin
run=results/ColoredDigits/quickstart
linear=downstream/ColoredDigits/quickstart
case ${1:-} in
  '') ;;
  --again) rm -rf "$run" "$linear" ;;
  *) echo "quickstart.sh: unknown argument '$1'; for other settings use $bin/ipirm-train --config configs/quickstart.yaml" >&2
    exit 2 ;;
esac
scripts/setup.sh ipirm-train ipirm-linear

echo "[quickstart] training IP-IRM on ColoredDigits: 30 epochs, 4 maximizations (an earlier run is gone on with)"
start=$SECONDS
"$bin/ipirm-train" --config configs/quickstart.yaml --name quickstart --device cpu --resume
trained=$((SECONDS - start))

model=$run/model_30.pt
existing=--resume
if [[ $model -nt $linear/result.txt || ! -e $linear/linear_state.pt ]]; then existing=--overwrite; fi
echo "[quickstart] linear evaluation of $model: 6 epochs, digit and colour (one that was stopped is gone on with)"
"$bin/ipirm-linear" --model_path "$model" --dataset ColoredDigits --crop_scale_min .4 --hflip 0 --epochs 6 --lr .01 \
  --batch_size 256 --workers 2 --device cpu --txt $existing --name quickstart --log_level warning
python3 scripts/summarize.py "$run" "$linear"
echo "time of this call: training ${trained} s, linear evaluation $((SECONDS - start - trained)) s"
