#!/usr/bin/env python3
# Prints the table of scripts/factor_tables.sh for one set: every metric of the three arms, and the accuracies of each factor.
"""usage: scripts/factor_table.py FOLDER      FOLDER holds runs named ARM-SEED (ARM baseline, random or search) with factors.json"""
import json
import pathlib
import sys

import summarize
from evidence_table import spread

ARMS = {"baseline": "no partition (SimCLR)", "random": "random partitions (control)", "search": "searched partitions (IP-IRM)"}
# Heading, and the score's name in factors.json.
SCORES = {"D": "disentanglement", "C": "completeness", "IRS": "irs", "MIG": "mig", "modularity": "modularity",
          "explicitness": "explicitness_test", "SAP": "sap", "LR": "lr_test", "GBT": "gbt_test"}
OF_FACTORS = {"kNN": None, "LR": "lr_test", "GBT": "gbt_test"}


def finished_runs(root):
    """arm -> [(factors.json, kNN accuracies)], a pair a seed."""
    runs = {arm: [] for arm in ARMS}
    for folder in sorted(root.iterdir()):
        arm = folder.name.split("-")[0]
        if arm in ARMS and (folder / "factors.json").is_file():
            report = json.loads((folder / "factors.json").read_text(encoding="utf-8"))
            runs[arm].append((report, summarize.last_accuracies(summarize.events(folder), "knn")))
    return {arm: of_seeds for arm, of_seeds in runs.items() if of_seeds}


def print_rows(heading, rows):
    print("| " + " | ".join(heading) + " |")
    print("|" + "---|" * len(heading))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    runs = finished_runs(pathlib.Path(sys.argv[1]))
    if not runs:
        sys.exit(f"{sys.argv[1]}: found no finished run, expected folders ARM-SEED with factors.json; run scripts/factor_tables.sh")
    shown = lambda reports, name: spread([report["scores"][name] for report in reports if name in report["scores"]], 3)
    print_rows(["metric", *SCORES, "dead codes", "seeds"],
               [[ARMS[arm], *(shown([report for report, _ in of_seeds], name) for name in SCORES.values()),
                 spread([report["dead_codes"] for report, _ in of_seeds], 0), str(len(of_seeds))] for arm, of_seeds in runs.items()])
    factors = next(iter(runs.values()))[0][0]["factors"]
    rows = []
    for arm, of_seeds in runs.items():
        for title, name in OF_FACTORS.items():
            values = lambda factor: [knn[factor] if name is None else 100 * report["factors"][factor][name] for report, knn in of_seeds]
            rows.append([ARMS[arm], title, *(spread(values(factor), 1) for factor in factors)])
    print_rows(["accuracy, %", "by", *factors], rows)
    report = next(iter(runs.values()))[0][0]
    print(f"Mean, and from least to most over the seeds; h of {report['codes']} numbers, {report['train_samples']} training and "
          f"{report['test_samples']} test samples. LR and GBT are means over the factors.")


if __name__ == "__main__":
    main()
