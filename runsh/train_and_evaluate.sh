#!/usr/bin/env bash
# Sourced by the other scripts of this folder: train_and_evaluate DATASET CONFIG [flags ...] trains, then runs the linear evaluation.
#
# From the environment:
#   DEVICE           auto, cpu or cuda                         (auto)
#   DATA_ROOT        folder with the data set's files          (data/ of the repository)
#   RESULTS_ROOT     the run goes to RESULTS_ROOT/DATASET/NAME (results/ of the repository)
#   DOWNSTREAM_ROOT  the linear evaluation's results           (downstream/ of the repository)
#   NAME             the run's name                            (the reference's for the recipe, such as IPIRM_STL_epoch400)
#   BIN              folder of ipirm-train and ipirm-linear    (build/bin/ of the repository)
#   NPROC            processes that train and evaluate together, one a GPU (1); torchrun of .venv/ or of PATH starts them
#   LINEAR_ARGS      further flags of ipirm-linear alone, separated by spaces
#
# Further flags go to each of the two programs that has them: --offline to ipirm-train, --bn to ipirm-linear, --precision and
# also --epochs to both. LINEAR_ARGS wins for ipirm-linear: LINEAR_ARGS="--epochs 100" keeps its epochs apart. --resume goes on with whatever
# was stopped, training or evaluation; the evaluation of an earlier model is replaced.
set -euo pipefail

# The names of a program's flags, one a line.
flags_of() {
  "$1" --help | sed -nE 's/^ +--([a-z0-9_]+).*/\1/p'
}

train_and_evaluate() {
  local dataset=$1 config=$2
  shift 2
  local repository argument flag
  repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  local device=${DEVICE:-auto} name=${NAME:-${RUN_NAME:-$(basename "$0" .sh)}} bin=${BIN:-$repository/build/bin}
  local data_root=${DATA_ROOT:-$repository/data} results_root=${RESULTS_ROOT:-$repository/results}
  local downstream_root=${DOWNSTREAM_ROOT:-$repository/downstream}
  if [[ ! -x $bin/ipirm-train || ! -x $bin/ipirm-linear ]]; then
    echo "error: $bin holds no ipirm-train and ipirm-linear: run scripts/setup.sh, or set BIN" >&2
    exit 2
  fi

  # A run that was begun under the script's own name, which earlier versions gave it, goes on under that name.
  local former
  former=$(basename "$0" .sh)
  if [[ -z ${NAME:-} && -e $results_root/$dataset/$former/state.pt && ! -e $results_root/$dataset/$name/state.pt ]]; then
    name=$former
    echo "note: going on with the run $former; set NAME=$former to name it yourself" >&2
  fi

  local train_flags linear_flags to_train=1 to_linear=0 existing=--overwrite
  local -a train_args=() linear_args=() last_args=()
  train_flags=$(flags_of "$bin/ipirm-train")
  linear_flags=$(flags_of "$bin/ipirm-linear")
  read -r -a last_args <<<"${LINEAR_ARGS:-}"
  for argument in "$@"; do
    if [[ $argument == --* ]]; then  # otherwise the value of the flag before it
      flag=${argument%%=*}
      flag=${flag#--}
      flag=${flag//-/_}
      case $flag in
        name | results_root | downstream_root | data_root | device | dataset | model_path)  # both programs must agree on these
          echo "error: --$flag: set NAME, RESULTS_ROOT, DOWNSTREAM_ROOT, DATA_ROOT or DEVICE instead; the data set is $dataset" >&2
          exit 2 ;;
        config)
          echo "error: --$flag: this script's settings are configs/$config; give single flags, or call ipirm-train itself" >&2
          exit 2 ;;
      esac
      to_linear=0 to_train=0
      if grep -qxF "$flag" <<<"$linear_flags"; then to_linear=1; fi
      if ((!to_linear)) || grep -qxF "$flag" <<<"$train_flags"; then to_train=1; fi  # ipirm-train names what nobody knows
      if [[ $flag == resume ]]; then to_linear=0 existing=--resume; fi
    fi
    if ((to_train)); then train_args+=("$argument"); fi
    if ((to_linear)); then linear_args+=("$argument"); fi
  done

  local -a launcher=()
  if ((${NPROC:-1} > 1)); then
    local torchrun=$repository/.venv/bin/torchrun
    [[ -x $torchrun ]] || torchrun=$(command -v torchrun) ||
      { echo "error: NPROC=$NPROC needs torchrun, which comes with PyTorch: run scripts/setup.sh, or put it into PATH" >&2; exit 2; }
    launcher=("$torchrun" --no-python --standalone --nproc_per_node "$NPROC")
  fi
  ${launcher[@]+"${launcher[@]}"} "$bin/ipirm-train" --config "$repository/configs/$config" --dataset "$dataset" --data_root "$data_root" \
    --results_root "$results_root" --name "$name" --device "$device" ${train_args[@]+"${train_args[@]}"}

  local run=$results_root/$dataset/$name epoch model
  # The newest weights; model_E.pth is the reference's name for them.
  epoch=$(find "$run" -maxdepth 1 -printf '%f\n' | sed -nE 's/^model_([0-9]+)\.pth?$/\1/p' | sort -n | tail -n 1)
  model=$run/model_$epoch.pt
  [[ -f $model ]] || model+=h
  if [[ ! -f $model ]]; then
    echo "error: $run holds no model_E.pt (or model_E.pth) to evaluate" >&2
    exit 1
  fi
  if [[ $model -nt $downstream_root/$dataset/$name/result.txt ]]; then existing=--overwrite; fi
  case " ${LINEAR_ARGS:-} " in *' --resume '* | *' --overwrite '*) existing= ;; esac
  ${launcher[@]+"${launcher[@]}"} "$bin/ipirm-linear" --model_path "$model" --dataset "$dataset" --data_root "$data_root" \
    --downstream_root "$downstream_root" --name "$name" --device "$device" --txt ${existing:+"$existing"} \
    ${linear_args[@]+"${linear_args[@]}"} ${last_args[@]+"${last_args[@]}"}
}
