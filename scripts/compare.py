#!/usr/bin/env python3
# Prints several runs side by side: what each was trained with, its accuracies, and what its partitions share with each factor.
"""usage: scripts/compare.py RUN [RUN ...] [--linear ROOT]

RUN is a folder of ipirm-train. ROOT/NAME may hold the linear evaluation of the run whose folder is called NAME. Standard
library alone.
"""
import argparse
import math
import pathlib
import re

import summarize


def words(folder):
    """In plain words, where the run's partitions came from."""
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    of = lambda key: (re.search(rf"^{key}: *(.*?) *(#.*)?$", text, re.M) or [None, ""])[1].strip("\"'")
    source = of("partition_source")
    if of("baseline") == "true":
        return "no partition (baseline)"
    if source == "random":
        return "one environment of all" if of("env_num") == "1" else "random partitions (control)"
    if source.startswith("factor:"):
        return f"split by {source[7:]} (oracle)"
    return "searched partitions (IP-IRM)"


def shared_information(rows, epoch=math.inf):
    """factor -> nats that the partitions which the training has seen (up to this epoch) share with it, their mean."""
    epoch = min(epoch, max((row["epoch"] for row in rows if "epoch" in row), default=0))
    seen = [row for row in rows if row["event"] == "maximize" and row["epoch"] < epoch and "factors" in row]
    return {factor: sum(row["factors"][factor]["information"] for row in seen) / len(seen)
            for factor in (seen[0]["factors"] if seen else {})}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    parser.add_argument("--linear", type=pathlib.Path)
    arguments = parser.parse_args()
    table, columns = [], {}  # a row a run: column -> text; columns in the order of their first appearance
    for folder in arguments.runs:
        rows = summarize.events(folder)
        linear = arguments.linear / folder.name if arguments.linear else None
        linear_rows = summarize.events(linear) if linear and linear.is_dir() else []
        cells = {}
        for title, accuracies in (("kNN", summarize.last_accuracies(rows, "knn")),
                                  ("linear", summarize.last_accuracies(linear_rows, "linear"))):
            cells |= {(title, factor): f"{value:.1f} %" for factor, value in accuracies.items()}
        cells |= {("nats", factor): f"{value:.2f}" for factor, value in shared_information(rows).items()}
        columns |= dict.fromkeys(cells)
        table.append((words(folder), cells))
    ordered = [column for title in ("kNN", "linear", "nats") for column in columns if column[0] == title]
    first = max(len(text) for text, _ in table) + 2
    for part in (0, 1):
        print(" " * first + "".join(f"{column[part]:>10}" for column in ordered))
    for text, cells in table:
        print(f"{text:<{first}}" + "".join(f"{cells.get(column, '-'):>10}" for column in ordered))


if __name__ == "__main__":
    main()
