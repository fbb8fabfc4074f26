#!/usr/bin/env bash
# From nothing to a result: sets up, trains the baseline, a control and IP-IRM on the embedded ColoredDigits, shows a table.
#
# usage: scripts/quickstart.sh [--again]      --again: train anew instead of showing the results of an earlier call
# All three start from the weights of one short baseline, as evidence.sh's warm starts do; they run side by side, one thread each.
# Stopped by Ctrl-C it goes on where it was when called again. The variables of scripts/setup.sh apply.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BUILD_DIR:-build}/bin
runs=results/ColoredDigits linear=downstream/ColoredDigits
arms=(baseline random search)
case ${1:-} in
  '') ;;
  --again) for arm in start "${arms[@]}"; do rm -rf "$runs/quickstart-$arm" "$linear/quickstart-$arm"; done ;;
  *) echo "quickstart.sh: unknown argument '$1'; for other settings use $bin/ipirm-train --config configs/quickstart.yaml" >&2
    exit 2 ;;
esac
scripts/setup.sh ipirm-train ipirm-linear ipirm-inspect

begin=$SECONDS
export BIN=$bin
common="--config configs/quickstart.yaml --device cpu --workers 1 --resume --log_level warning --eval_every 2"
epochs_done() { cat "$runs/quickstart-$1/metrics.jsonl" 2>/dev/null | grep -c '"event":"epoch"' || true; }
progress() { # a line every 20 seconds, until it is stopped
  while sleep 20 >/dev/null 2>&1; do
    local line="[quickstart] $((SECONDS - begin)) s:"
    for arm in "${arms[@]}"; do line+=" $arm $(epochs_done "$arm")/20"; done
    echo "$line epochs"
  done
}
echo "[quickstart] a baseline of 10 epochs, from which all three start"
# shellcheck disable=SC2086  # a list of words
"$bin/ipirm-train" --name quickstart-start $common --workers 2 --baseline --epochs 10
model=$runs/quickstart-start/model_10.pt

echo "[quickstart] 20 epochs each: the baseline goes on; partitions at random (control); partitions by the search (IP-IRM)"
one_arm() { # the training of an arm and the linear evaluation of its last weights
  local arm=$1; shift
  "$BIN/ipirm-train" --name "quickstart-$arm" "$@" || return 255
  local model=results/ColoredDigits/quickstart-$arm/model_20.pt out=downstream/ColoredDigits/quickstart-$arm existing=--resume
  if [[ $model -nt $out/result.txt || ! -e $out/linear_state.pt ]]; then existing=--overwrite; fi
  "$BIN/ipirm-linear" --model_path "$model" --dataset ColoredDigits --crop_scale_min .4 --hflip 0 --epochs 6 --lr .01 \
    --batch_size 256 --workers 1 --device cpu --txt --predict $existing --name "quickstart-$arm" --log_level warning || return 255
}
export -f one_arm
export OMP_NUM_THREADS=1  # three arms at once fill two cores and more
progress &
trap 'kill $! 2>/dev/null || true' EXIT
flags="$common --epochs 20 --pretrain_model $model --env_num 4 --maximize_passes 200 --maximize_milestones 50,120"
printf '%s\n' "search $flags" "random $flags --partition_source random" "baseline $common --epochs 20 --pretrain_model $model --baseline" |
  xargs -P 3 -I{} bash -c 'one_arm $1' _ {}

python3 scripts/compare.py "${arms[@]/#/$runs/quickstart-}" --linear "$linear"
"$bin/ipirm-inspect" "$runs/quickstart-search" --against "$runs/quickstart-random" "$runs/quickstart-baseline" \
  --workers 1 --device cpu --log_level warning
cat <<END
kNN, linear: test accuracy of a vote of neighbours and of a linear classifier (chance: 10 % for the digit). nats: what the partitions
that the training used share with a factor (mutual information; all of the hue would be 2.30).
One seed. Three seeds and further controls: scripts/evidence.sh, and configs/README.md.
Of one run: python3 scripts/summarize.py $runs/quickstart-search
To look at, and to send: $runs/quickstart-search/inspect/report.html
time of this call after the set-up: $((SECONDS - begin)) s
END
