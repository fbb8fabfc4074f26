#!/usr/bin/env python3
# Prints the table of scripts/evidence.sh: accuracy, what the partitions share with digit and hue, and time, over the seeds.
"""usage: scripts/evidence_table.py FOLDER      FOLDER holds runs named START-SOURCE-WEIGHT-SEED (START cold or warm)"""
import collections
import pathlib
import sys

import compare
import summarize

EPOCHS = {"cold": 30, "warm": 20}  # after how many epochs the arms of a start are compared
SOURCES = {
    "baseline": "no partition, no penalty (baseline)",
    "whole": "the whole set as one environment",
    "random": "partitions at random",
    "search": "**partitions by the search**",
    "oracle": "the hue itself (oracle)",
}


def spread(values, digits):
    """Mean, and from least to most where there is more than one."""
    if not values:
        return "-"
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def seconds_up_to(rows, epoch):
    return sum(row["seconds"] for row in rows if row["event"] in ("epoch", "maximize") and row["epoch"] <= epoch)


def finished_runs(root):
    """(start, source, weight) -> {seed: the run's events}, of the runs that came to the epoch at which arms are compared."""
    runs = collections.defaultdict(dict)
    for folder in root.iterdir():
        parts = folder.name.split("-")
        if len(parts) == 4 and parts[0] in EPOCHS and parts[1] in SOURCES and (folder / "metrics.jsonl").is_file():
            rows = summarize.events(folder)
            if any(row["event"] == "knn" and row["epoch"] == EPOCHS[parts[0]] for row in rows):
                runs[parts[0], parts[1], parts[2]][parts[3]] = rows
    return runs


def print_gains(runs, start):
    """Search minus random, digit, at each seed and evaluation."""
    searched, random = runs.get((start, "search", ".2"), {}), runs.get((start, "random", ".2"), {})
    digits = lambda rows: {row["epoch"]: row["test_acc@1"] for row in rows if row["event"] == "knn" and row["factor"] == "digit"}
    both = {seed: (digits(searched[seed]), digits(random[seed])) for seed in sorted(searched.keys() & random.keys())}
    for epoch in sorted({epoch for of_seed in both.values() for epoch in of_seed[0].keys() & of_seed[1].keys()}):
        gains = [f"{s[epoch] - r[epoch]:+.1f} (seed {seed})" for seed, (s, r) in both.items() if epoch in s and epoch in r]
        print(f"Search minus random, {start} start, λ1 .2, digit after {epoch} epochs: {', '.join(gains)}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    runs = finished_runs(pathlib.Path(sys.argv[1]))
    order = list(SOURCES)
    print("| start | partitions | λ1 | digit, % | hue, % | shares with digit, nats | with hue, nats | seconds | seeds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for start, source, weight in sorted(runs, key=lambda key: (key[0], order.index(key[1]), -float(key[2]))):
        of_seeds = runs[start, source, weight].values()
        knn = [summarize.last_accuracies(rows, "knn", EPOCHS[start]) for rows in of_seeds]
        shared = [compare.shared_information(rows, EPOCHS[start]) for rows in of_seeds]
        cells = [start, SOURCES[source], "-" if source == "baseline" else weight]
        cells += [spread([run[factor] for run in knn], 1) for factor in ("digit", "colour")]
        cells += [spread([run[factor] for run in shared if factor in run], 3) for factor in ("digit", "colour")]
        cells += [spread([seconds_up_to(rows, EPOCHS[start]) for rows in of_seeds], 0), str(len(of_seeds))]
        print("| " + " | ".join(cells) + " |")
    print(f"\nkNN top-1, mean and range over the seeds, after {EPOCHS['cold']} epochs from a cold start and {EPOCHS['warm']} from a "
          "warm one; chance is 10 % for the digit. Shares are means over the partitions that the run was trained with.\n")
    for start in EPOCHS:
        print_gains(runs, start)


if __name__ == "__main__":
    main()
