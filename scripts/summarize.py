#!/usr/bin/env python3
# Prints a run's results as a small table: kNN and linear accuracy of each factor, sizes of the environments, files.
"""usage: scripts/summarize.py RUN_FOLDER [LINEAR_FOLDER]     reads metrics.jsonl in each; standard library alone"""
import json
import pathlib
import sys


def events(folder):
    with open(pathlib.Path(folder) / "metrics.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def last(rows, event, factor):
    found = [row for row in rows if row["event"] == event and row["factor"] == factor]
    return f"{found[-1]['test_acc@1']:6.2f} %" if found else "      -"


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    run, linear = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None
    rows = events(run)
    linear_rows = events(linear) if linear else []
    factors = list(dict.fromkeys(row["factor"] for row in rows + linear_rows if row["event"] in ("knn", "linear")))
    print(f"\n{'':12}{'kNN top-1':>12}{'linear top-1':>15}")
    for factor in factors:
        print(f"{factor:12}{last(rows, 'knn', factor):>12}{last(linear_rows, 'linear', factor):>15}")
    searches = [row for row in rows if row["event"] == "maximize"]
    for row in searches:
        sizes = " + ".join(str(size) for size in row["sizes"])
        print(f"partition after epoch {row['epoch']:<4} environments {sizes}")
    print(f"files: {run}" + (f", {linear}" if linear else ""))


if __name__ == "__main__":
    main()
