#!/usr/bin/env bash
# Does the partition matter? The digits with the search's partitions beside the controls: no partition, the whole set as one
# environment, partitions at random, and the hue itself; from a cold start and from a baseline's weights. Ends with a table.
#
# usage: scripts/evidence.sh [--quick] [folder]     results go to folder (default results/evidence)
#   --quick   one seed, 10 runs, 15 and a half minutes on 2 cores
#             otherwise seeds 1 to 3, both penalty weights, 51 runs of 2 to 4 minutes of one core each
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

# One line a run: its name and its flags. The main question comes first: does the search beat chance?
common="--config configs/quickstart.yaml --results_root $root --workers 1 --device cpu --log_level warning --resume"
flags_of() { # flags_of START SOURCE WEIGHT SEED
  local flags="$common --penalty_weight $3 --seed $4"
  case $2 in
    baseline) flags+=" --baseline" ;;
    whole) flags+=" --partition_source random --env_num 1" ;;
    random) flags+=" --partition_source random" ;;
    oracle) flags+=" --partition_source factor:colour" ;;
  esac
  if [[ $1 == warm ]]; then
    flags+=" --pretrain_model $root/ColoredDigits/base-$4/model_10.pt"
    [[ $2 == random || $2 == search || $2 == oracle ]] && flags+=" --env_num 4 --maximize_passes 200 --maximize_milestones 50,120"
  fi
  # After a warm start 20 epochs are compared, and the main question is followed for 10 more.
  case $1-$2-$3 in
    cold-* | warm-search-.2 | warm-random-.2) flags+=" --epochs 30" ;;
    *) flags+=" --epochs 20" ;;
  esac
  echo "$flags"
}
first=() rest=()
for seed in $seeds; do first+=("base-$seed $common --seed $seed --baseline --epochs 10"); done
add() { # add START SOURCE WEIGHT: this run with each seed
  for seed in $seeds; do rest+=("$1-$2-$3-$seed $(flags_of "$1" "$2" "$3" "$seed")"); done
}
for source in search random oracle baseline; do
  for start in warm cold; do add $start $source .2; done
done
add warm search 0
if [[ ! $quick ]]; then
  add cold search 0
  # The whole set as one environment is not run with weight 0: its loss is then twice the baseline's,
  # a factor that Adam takes out again.
  for start in warm cold; do add $start whole .2; add $start random 0; add $start oracle 0; done
fi

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
