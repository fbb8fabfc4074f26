#!/usr/bin/env python3
# Draws the picture of the first page: accuracy on digit and hue over the epochs, the baseline beside IP-IRM.
"""usage: scripts/plot_digits.py RUN_FOLDER_OF_BASELINE RUN_FOLDER_OF_IPIRM OUT.svg      seconds; needs matplotlib

The runs are two of scripts/measure_digits.sh with --eval_every 2; the figures come from their metrics.jsonl alone.
"""
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

COLOURS = {"digit": "#1f77b4", "colour": "#d62728"}
LABELS = {"digit": "digit", "colour": "hue"}


def curves(folder):
    """factor -> (epochs, kNN top-1 in percent)."""
    found = {}
    for line in pathlib.Path(folder, "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "knn":
            epochs, accuracy = found.setdefault(event["factor"], ([], []))
            epochs.append(event["epoch"])
            accuracy.append(event["test_acc@1"])
    return found


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    plt.rcParams.update({"font.size": 11, "svg.hashsalt": "ipirm", "svg.fonttype": "none"})
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    for axis, folder, title in zip(axes, sys.argv[1:3], ("contrastive baseline", "IP-IRM")):
        for factor, (epochs, accuracy) in curves(folder).items():
            axis.plot(epochs, accuracy, color=COLOURS[factor], marker="o", markersize=3, label=LABELS[factor])
        axis.set(title=title, xlabel="epoch", xlim=(0, None), ylim=(0, 104))
        axis.grid(alpha=.3)
    axes[0].set_ylabel("kNN accuracy, %")
    axes[1].legend(loc="lower right", frameon=False)
    figure.savefig(sys.argv[3], metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
