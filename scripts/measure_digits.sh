#!/usr/bin/env bash
# Repeats the README's ColoredDigits table: baseline and IP-IRM with the quickstart's settings, three seeds each.
#
# usage: scripts/measure_digits.sh [folder]      10 to 30 minutes on 2 cores; results go to folder (default results/digits)
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:-results/digits}
bin=${BUILD_DIR:-build}/bin
for seed in 1 2 3; do
  for method in baseline ipirm; do
    flags=(--config configs/quickstart.yaml --seed "$seed" --results_root "$root" --name "$method-$seed" --resume)
    [[ $method == baseline ]] && flags+=(--baseline)
    "$bin/ipirm-train" "${flags[@]}" --log_level warning
  done
done
python3 - "$root" <<'PY'
import json, pathlib, sys
print(f"{'run':12}{'epoch':>6}{'digit kNN':>11}{'colour kNN':>12}{'seconds':>9}")
for folder in sorted(pathlib.Path(sys.argv[1], "ColoredDigits").iterdir()):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    knn = {(r["epoch"], r["factor"]): r["test_acc@1"] for r in rows if r["event"] == "knn"}
    seconds = sum(r["seconds"] for r in rows if r["event"] in ("epoch", "maximize"))
    for epoch in sorted({e for e, _ in knn}):
        print(f"{folder.name:12}{epoch:6}{knn[epoch, 'digit']:10.1f}%{knn[epoch, 'colour']:11.1f}%{seconds:9.0f}")
PY
