#!/usr/bin/env bash
# Sourced by the other scripts of this folder: train_and_evaluate DATASET CONFIG [flags ...] trains, then runs the linear evaluation.
#
# From the environment:
#   DEVICE           auto, cpu or cuda                         (auto)
#   DATA_ROOT        folder with the data set's files          (data/ of the repository)
#   RESULTS_ROOT     the run goes to RESULTS_ROOT/DATASET/NAME (results/ of the repository)
#   DOWNSTREAM_ROOT  the linear evaluation's results           (downstream/ of the repository)
#   NAME             the run's name                            (ipirm_400epoch)
#   BIN              folder of ipirm-train and ipirm-linear    (build/bin/ of the repository)
#   LINEAR_ARGS      further flags of ipirm-linear, separated by spaces
set -euo pipefail

train_and_evaluate() {
  local dataset=$1 config=$2
  shift 2
  local repository argument
  repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  local device=${DEVICE:-auto} name=${NAME:-ipirm_400epoch} bin=${BIN:-$repository/build/bin}
  local data_root=${DATA_ROOT:-$repository/data} results_root=${RESULTS_ROOT:-$repository/results}
  local downstream_root=${DOWNSTREAM_ROOT:-$repository/downstream}
  local -a linear_args=()
  read -r -a linear_args <<<"${LINEAR_ARGS:-}"

  # Both programs must agree on these, so they come from one place.
  for argument in "$@"; do
    argument=${argument%%=*}
    case ${argument//-/_} in
      __name | __results_root | __data_root | __device | __dataset)
        echo "error: $argument: set NAME, RESULTS_ROOT, DATA_ROOT or DEVICE instead; the data set is $dataset" >&2
        exit 2 ;;
    esac
  done
  if [[ ! -x $bin/ipirm-train || ! -x $bin/ipirm-linear ]]; then
    echo "error: $bin holds no ipirm-train and ipirm-linear: run scripts/setup.sh, or set BIN" >&2
    exit 2
  fi

  "$bin/ipirm-train" --config "$repository/configs/$config" --dataset "$dataset" --data_root "$data_root" \
    --results_root "$results_root" --name "$name" --device "$device" "$@"

  local model
  model=$(find "$results_root/$dataset/$name" -maxdepth 1 -name 'model_*.pt' | sort -V | tail -n 1)
  if [[ -z $model ]]; then
    echo "error: $results_root/$dataset/$name holds no model_*.pt to evaluate" >&2
    exit 1
  fi
  "$bin/ipirm-linear" --model_path "$model" --dataset "$dataset" --data_root "$data_root" \
    --downstream_root "$downstream_root" --name "$name" --device "$device" --txt --overwrite \
    ${linear_args[@]+"${linear_args[@]}"}
}
