#!/usr/bin/env bash
# Does the partition matter? The digits with the search's partitions beside the controls: no partition, the whole set as one
# environment, partitions at random, and the hue itself; from a cold start and from a baseline's weights. Ends with a table.
#
# usage: scripts/evidence.sh [--quick] [folder]     results go to folder (default results/evidence)
#   --quick   one seed and fewer arms: 9 runs of 30 epochs; otherwise seeds 1 to 3 and both penalty weights: 54 runs. Four
#             runs took 6 minutes on 2 cores with AVX-512 (the whole was not timed yet)
#   SEEDS="1 2 3", JOBS=N: other seeds; N runs side by side, each with one thread (default: all cores)
# Stopped, it goes on where it was when called again.
set -euo pipefail
cd "$(dirname "$0")/.."
quick=
if [[ ${1:-} == --quick ]]; then quick=1; shift; fi
root=${1:-results/evidence}
bin=${BUILD_DIR:-build}/bin
seeds=${SEEDS:-$([[ $quick ]] && echo 1 || echo 1 2 3)}
jobs=${JOBS:-$(nproc)}
[[ -x $bin/ipirm-train ]] || scripts/setup.sh ipirm-train
mkdir -p "$root"

# One line a run: its name and its flags.
common="--config configs/quickstart.yaml --results_root $root --workers 1 --device cpu --log_level warning --resume"
cold="--epochs 30"
warm_search="--env_num 4 --maximize_passes 200 --maximize_milestones 50,120"
arm() { # arm NAME: the flags of a source of partitions
  case $1 in
    whole) echo "--partition_source random --env_num 1" ;;
    random) echo "--partition_source random" ;;
    search) echo "--partition_source search" ;;
    oracle) echo "--partition_source factor:colour" ;;
  esac
}
first=() rest=()
for seed in $seeds; do
  first+=("base-$seed $common --seed $seed --baseline --epochs 10")
  warm="--epochs 30 --pretrain_model $root/ColoredDigits/base-$seed/model_10.pt"
  rest+=("cold-baseline-0-$seed $common --seed $seed --baseline $cold" "warm-baseline-0-$seed $common --seed $seed --baseline $warm")
  for source in whole random search oracle; do
    for weight in .2 0; do
      # The quick form asks the question itself: does the search beat chance, with the penalty?
      [[ $quick && $weight == 0 && $source != search ]] && continue
      [[ $quick && $source == whole ]] && continue
      rest+=("warm-$source-$weight-$seed $common --seed $seed --penalty_weight $weight $warm $warm_search $(arm $source)")
      [[ $quick && $weight == 0 ]] && continue
      rest+=("cold-$source-$weight-$seed $common --seed $seed --penalty_weight $weight $cold $(arm $source)")
    done
  done
done

# Each run has one thread, so that a run's bits do not depend on how many are under way.
export OMP_NUM_THREADS=1 ROOT=$root BIN=$bin
one_run() {
  local name=$1; shift
  echo "[evidence] $name"
  "$BIN/ipirm-train" --name "$name" "$@" || { echo "[evidence] $name failed: ipirm-train --name $name $*" >&2; return 255; }
}
export -f one_run
for stage in first rest; do
  declare -n runs=$stage
  printf '%s\n' "${runs[@]}" | xargs -P "$jobs" -I{} bash -c 'one_run $1' _ {}
done
python3 scripts/evidence_table.py "$root/ColoredDigits"
