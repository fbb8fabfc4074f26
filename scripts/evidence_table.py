#!/usr/bin/env python3
# Prints the table of scripts/evidence.sh: accuracy, what the partitions share with digit and hue, and time, over the seeds.
"""usage: scripts/evidence_table.py FOLDER      FOLDER holds runs named START-SOURCE-WEIGHT-SEED (START cold or warm)"""
import collections
import json
import pathlib
import sys

SOURCES = ("baseline", "whole", "random", "search", "oracle")
WORDS = {
    "baseline": "no partition, no penalty (baseline)",
    "whole": "the whole set as one environment",
    "random": "partitions at random",
    "search": "**partitions by the search**",
    "oracle": "the hue itself (oracle)",
}


def run_of(folder):
    """What one run came to, or None while it has no result."""
    path = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    knn = {row["factor"]: row["test_acc@1"] for row in rows if row["event"] == "knn"}  # the last of each
    if not knn:
        return None
    partitions = [row for row in rows if row["event"] == "maximize"]
    kept = [row for row in partitions if row["epoch"] < max(r["epoch"] for r in rows)]  # what the training has seen
    shared = {
        factor: sum(row["factors"][factor]["information"] for row in kept) / len(kept) for factor in knn if kept
    }
    seconds = sum(row["seconds"] for row in rows if row["event"] in ("epoch", "maximize"))
    return knn, shared, seconds


def spread(values, digits):
    """Mean, and from least to most where there is more than one."""
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    runs = collections.defaultdict(dict)  # (start, source, weight) -> seed -> run
    for folder in pathlib.Path(sys.argv[1]).iterdir():
        parts = folder.name.split("-")
        if len(parts) == 4 and parts[1] in SOURCES and (run := run_of(folder)):
            runs[parts[0], parts[1], parts[2]][parts[3]] = run
    print("| start | partitions | λ1 | digit, % | hue, % | shares with digit, nats | with hue, nats | seconds | seeds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for start, source, weight in sorted(runs, key=lambda key: (key[0], SOURCES.index(key[1]), -float(key[2]))):
        of_seeds = [run for _, run in sorted(runs[start, source, weight].items())]
        column = lambda part, factor: [run[part][factor] for run in of_seeds if factor in run[part]]
        shared = [spread(v, 3) if (v := column(1, factor)) else "-" for factor in ("digit", "colour")]
        print(f"| {start} | {WORDS[source]} | {'-' if source == 'baseline' else weight} | {spread(column(0, 'digit'), 1)} "
              f"| {spread(column(0, 'colour'), 1)} | {shared[0]} | {shared[1]} "
              f"| {sum(run[2] for run in of_seeds) / len(of_seeds):.0f} | {len(of_seeds)} |")
    print("\nChance is 10 % for the digit. kNN top-1 at the end of the run; shares are means over the partitions that the run "
          "was trained with.")
    for start in ("cold", "warm"):
        searched, random = runs.get((start, "search", ".2"), {}), runs.get((start, "random", ".2"), {})
        both = sorted(searched.keys() & random.keys())
        if both:
            gains = [searched[seed][0]["digit"] - random[seed][0]["digit"] for seed in both]
            print(f"Search minus random, {start}, digit: " + ", ".join(f"{g:+.1f} (seed {s})" for g, s in zip(gains, both)))


if __name__ == "__main__":
    main()
