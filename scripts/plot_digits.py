#!/usr/bin/env python3
# Draws the picture of the first page: accuracy on digit and hue over the epochs, the runs of the quickstart side by side.
"""usage: scripts/plot_digits.py RUN [RUN ...] OUT.svg      seconds; needs matplotlib

The first page's: results/ColoredDigits/quickstart-{baseline,random,search} configs/digits.svg
"""
import pathlib
import sys

import matplotlib

import compare
import summarize

matplotlib.use("svg")
import matplotlib.pyplot as plt

COLOURS = {"digit": "#1f77b4", "colour": "#d62728"}
LABELS = {"digit": "digit", "colour": "hue"}


def curves(folder):
    """factor -> (epochs, kNN top-1 in percent)."""
    found = {}
    for event in summarize.events(folder):
        if event["event"] == "knn":
            epochs, accuracy = found.setdefault(event["factor"], ([], []))
            epochs.append(event["epoch"])
            accuracy.append(event["test_acc@1"])
    return found


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    runs = [pathlib.Path(folder) for folder in sys.argv[1:-1]]
    plt.rcParams.update({"font.size": 11, "svg.hashsalt": "ipirm", "svg.fonttype": "none"})
    figure, axes = plt.subplots(1, len(runs), figsize=(1 + 3 * len(runs), 3), sharey=True, layout="constrained", squeeze=False)
    axes = axes[0]
    for axis, folder in zip(axes, runs):
        for factor, (epochs, accuracy) in curves(folder).items():
            axis.plot(epochs, accuracy, color=COLOURS[factor], marker="o", markersize=3, label=LABELS[factor])
        axis.set(title=compare.words(folder), xlabel="epoch", xlim=(0, None), ylim=(0, 104))
        axis.grid(alpha=.3)
    axes[0].set_ylabel("kNN accuracy, %")
    axes[-1].legend(loc="lower right", frameon=False)
    figure.savefig(sys.argv[-1], metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
