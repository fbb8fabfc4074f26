#!/usr/bin/env python3
# Prints a run's results as a small table: kNN and linear accuracy of each factor, sizes of the environments, files.
"""usage: scripts/summarize.py RUN_FOLDER [LINEAR_FOLDER]

Reads metrics.jsonl in each, or where a run of the reference has none, its knn_result.txt, GroupResults_E.txt.npy and
result.txt. Standard library alone.
"""
import json
import math
import pathlib
import re
import sys


def events(folder):
    folder = pathlib.Path(folder)
    metrics = folder / "metrics.jsonl"
    if not metrics.is_file() and any((folder / name).is_file() for name in ("knn_result.txt", "result.txt")):
        return list(reference_events(folder))
    with open(metrics, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def reference_events(folder):
    """What the reference's files hold of it: no sizes of environments, which only numpy could count, and no factor but the class."""
    for name, event in (("knn_result.txt", "knn"), ("result.txt", "linear")):
        text = (folder / name).read_text(encoding="utf-8") if (folder / name).is_file() else ""
        for top1 in re.findall(r"test_acc@1: ([0-9.eE+-]+)", text):
            yield {"event": event, "factor": "label", "test_acc@1": float(top1)}
    partitions = [re.fullmatch(r"GroupResults_(\d+)(\.txt)?\.npy", path.name) for path in folder.iterdir()]
    for epoch, name in sorted((int(match[1]), match[0]) for match in partitions if match):
        yield {"event": "maximize", "epoch": epoch, "file": name}


def last_accuracies(rows, event, epoch=math.inf):
    """factor -> top-1 in percent at the last evaluation, or at the last one up to this epoch."""
    return {row["factor"]: row["test_acc@1"] for row in rows if row["event"] == event and row.get("epoch", 0) <= epoch}


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    run, linear = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None
    rows = events(run)
    linear_rows = events(linear) if linear else []
    knn, linear_evaluation = last_accuracies(rows, "knn"), last_accuracies(linear_rows, "linear")
    text = lambda accuracies, factor: f"{accuracies[factor]:6.2f} %" if factor in accuracies else "      -"
    print(f"\n{'':12}{'kNN top-1':>12}{'linear top-1':>15}")
    for factor in knn | linear_evaluation:
        print(f"{factor:12}{text(knn, factor):>12}{text(linear_evaluation, factor):>15}")
    searches = [row for row in rows if row["event"] == "maximize"]
    for row in searches:
        found = "environments " + " + ".join(str(size) for size in row["sizes"]) if "sizes" in row else row["file"]
        for factor, of in row.get("factors", {}).items():
            found += f"  {factor} {of['information']:.3f} nats ({100 * of['share']:.0f} %)"
        source = "" if row.get("source", "search") == "search" else f" ({row['source']})"
        print(f"partition after epoch {row['epoch']:<4} {found}{source}")
    print(f"files: {run}" + (f", {linear}" if linear else ""))


if __name__ == "__main__":
    main()
