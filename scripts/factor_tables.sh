#!/usr/bin/env bash
# What does a representation keep apart? SimCLR, random partitions and IP-IRM on coloured Fashion-MNIST and on Shapes, with all
# metrics of ipirm-metrics and the accuracies of each factor, at three seeds. Ends with a table for each set.
#
# usage: scripts/factor_tables.sh [--short] [folder]     results go to folder (default results/factor_tables-long or -short)
#   otherwise  12 runs a set, all of Fashion-MNIST and 20,000 images of Shapes: a night. Training takes about 3 hours of 2 cores for the
#              first and 2.5 for the second, an estimate from 6 ms of a core for each image of an epoch; the metrics of 18 runs come
#              on top. It has not been run as a whole yet
#   --short    one seed, 2,000 images of each set, 3 + 3 epochs, metrics of 500 samples: shows that everything runs; its figures say
#              nothing. 6 min 14 s of one core for training and features, and some 20 to 60 s for the metrics of each of 6 runs; with
#              SEEDS="1 2 3" JOBS=1 97 minutes beside other work (the tables are in src/metrics/README.md)
#   SEEDS="1 2 3", JOBS=N: other seeds; N runs side by side, each with one thread (default: all cores)
#   SETS="fashion_colours shapes": some of the sets alone
# Fashion-MNIST is fetched by scripts/download.sh where it is missing. Stopped, it goes on where it was when called again.
set -euo pipefail
cd "$(dirname "$0")/.."
form=long
if [[ ${1:-} == --short ]]; then form=short; shift; fi
root=${1:-results/factor_tables-$form}
bin=${BUILD_DIR:-build}/bin
seeds=${SEEDS:-$([[ $form == short ]] && echo 1 || echo 1 2 3)}
sets=${SETS:-fashion_colours shapes}
jobs=${JOBS:-$(nproc)}
for program in train features metrics; do [[ -x $bin/ipirm-$program ]] || scripts/setup.sh ipirm-train ipirm-features ipirm-metrics; done
mkdir -p "$root"

# What a form changes: the epochs of the common start and of each arm after it, and how many images there are.
if [[ $form == long ]]; then
  fashion_epochs="2 4" shapes_epochs="5 10" shapes_images="--shapes_train 20000 --shapes_test 5000" fashion_root=data metric_samples=""
else
  fashion_epochs="3 3" shapes_epochs="3 3" shapes_images="--shapes_train 2000 --shapes_test 1000" fashion_root=$root/data
  metric_samples="--train_samples 500 --test_samples 500"
fi

# The first 2,000 training and 1,000 test images of Fashion-MNIST, as a set of its own.
cut_fashion_mnist() {
  python3 - data/FashionMNIST/raw "$fashion_root/FashionMNIST/raw" <<'PYTHON'
import gzip, pathlib, struct, sys
source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
for part, count in (("train", 2000), ("t10k", 1000)):
    for what, header, record in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
        name = f"{part}-{what}-ubyte"
        with gzip.open(source / f"{name}.gz") as whole:
            data = whole.read(header + count * record)
        (target / name).write_bytes(data[:4] + struct.pack(">I", count) + data[8:])
PYTHON
}

# data_of SET: the flags that name its images, for all programs.
data_of() {
  if [[ $1 == shapes ]]; then echo "--dataset Shapes $shapes_images"
  else echo "--dataset FashionMNIST --data_root $fashion_root --colours 10 --colour_noise 80"; fi
}
folder_of() { if [[ $1 == shapes ]]; then echo "$root/Shapes"; else echo "$root/FashionMNIST"; fi; }

# A line a run: the set, its name, its flags. All arms of a seed start from the same short baseline, which has seen the easy factors.
first=() rest=()
for set in $sets; do
  [[ $set == fashion_colours || $set == shapes ]] || { echo "[tables] error: unknown set '$set': fashion_colours or shapes" >&2; exit 2; }
  if [[ $set == shapes ]]; then
    read -r start more <<<"$shapes_epochs"
  else
    read -r start more <<<"$fashion_epochs"
    scripts/download.sh FashionMNIST
    [[ $form == long ]] || cut_fashion_mnist
  fi
  for seed in $seeds; do
    common="--config configs/$set.yaml $(data_of $set) --results_root $root --workers 1 --device cpu --log_level warning --resume --seed $seed"
    first+=("$set base-$seed $common --baseline --epochs $start --save_every $start --eval_every $start")
    for arm in baseline random search; do
      own="--pretrain_model $(folder_of $set)/base-$seed/model_$start.pt --epochs $more --save_every $more --eval_every $more"
      case $arm in
        baseline) own+=" --baseline" ;;
        random) own+=" --partition_source random" ;;
      esac
      rest+=("$set $arm-$seed $common $own")
    done
  done
done

# one_run SET NAME FLAGS: trains, and measures what is no common start.
one_run() {
  local set=$1 name=$2 data part; shift 2
  local folder; folder=$(folder_of "$set")/$name
  echo "[tables] $set $name"
  "$bin/ipirm-train" --name "$name" "$@"
  [[ $name == base-* || -s $folder/factors.json ]] && return
  local model; model=$(ls -v "$folder"/model_*.pt | tail -n 1)
  data=$(data_of "$set")
  for part in train test; do
    # shellcheck disable=SC2086  # the flags are a list of words
    "$bin/ipirm-features" --model_path "$model" $data --split $part --feature h --out "$folder/$part.npy" --overwrite \
      --workers 1 --device cpu --log_level warning
  done
  # shellcheck disable=SC2086
  "$bin/ipirm-metrics" --train "$folder/train.npy" --test "$folder/test.npy" $metric_samples --out "$folder/factors.json" \
    --log_level warning >/dev/null
  rm -f "$folder"/{train,test}.{npy,csv}
}
export OMP_NUM_THREADS=1 root bin shapes_images fashion_root metric_samples
export -f one_run data_of folder_of
for stage in first rest; do
  declare -n runs=$stage
  printf '%s\n' "${runs[@]}" | xargs -P "$jobs" -I{} bash -c \
    'set -Eeuo pipefail; run=$1; trap "echo [tables] failed: \"\$run\" >&2; exit 255" ERR; one_run $run' _ {}
done
for set in $sets; do
  echo
  echo "$set, the $form form (scripts/factor_tables.sh$([[ $form == short ]] && echo ' --short')), seeds $seeds"
  python3 scripts/factor_table.py "$(folder_of "$set")"
done
