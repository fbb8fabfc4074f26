#!/usr/bin/env python3
# What a grid of linear heads and cached features cost beside the reference's protocol, and how good the head is that the grid chooses.
"""usage: python3 scripts/bench_linear.py [MODEL] [--bin build/bin] [--data data] [--rounds 3]

MODEL (default: results/ColoredDigits/quickstart-search/model_20.pt, the quickstart's) is the encoder of everything here. Prints

- the time of an epoch of the reference's protocol with 16 heads beside one head, in turn, for so many rounds: ratio of the medians;
- the time of the reference's protocol for 100 epochs (three are made; the others take as long) beside that of --cache, of which all
  100 are made, embedding included;

  (processor seconds of one thread, which other work disturbs less than the clock's)
- of a grid of 16 heads, 100 epochs on cached features: the test accuracy of the head that the held-out tenth chose, and the best test
  accuracy of any head of the grid in the same epoch; on ColoredDigits, and on Fashion-MNIST's images (scripts/download.sh FashionMNIST)
  written in CIFAR-10's format (50,000 + 10,000) and in STL-10's (5,000 + 8,000, three times as large).

About 10 minutes on 2 cores."""
import argparse
import gzip
import json
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile

GRID = ["--lr", ".1,.03,.01,.003", "--weight_decay", "0,1e-6,1e-4,1e-2"]
CACHED = ["--cache", "--bn", "eval", "--augment", "none"]
DIGITS = ["--dataset", "ColoredDigits", "--crop_scale_min", ".4", "--hflip", "0"]


class Runs:
    def __init__(self, program, model, folder):
        self.program, self.model, self.folder, self.count = program, model, folder, 0

    def run(self, words):
        """Processor seconds of a call of ipirm-linear, and its metrics.jsonl."""
        self.count += 1
        command = [self.program, "--model_path", self.model, "--device", "cpu", "--txt", "--batch_size", "256", "--log_level", "error",
                   "--downstream_root", self.folder / "downstream", "--name", f"run{self.count}", *words]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(list(map(str, command)), check=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        metrics = next((self.folder / "downstream").glob(f"*/run{self.count}/metrics.jsonl"))
        return seconds, [json.loads(line) for line in metrics.read_text().splitlines()]


def epoch_seconds(runs, words):
    """Processor seconds of an epoch: three less one, without what a call costs once."""
    three, one = (runs.run([*DIGITS, *words, "--epochs", epochs])[0] for epochs in (3, 1))
    return (three - one) / 2


def grey_images(folder, part, count):
    def read(what, header):
        with gzip.open(folder / f"{part}-{what}-ubyte.gz") as file:
            file.read(header)
            return file.read(count * (784 if header == 16 else 1))
    pixels = read("images-idx3", 16)
    return [pixels[i:i + 784] for i in range(0, len(pixels), 784)], read("labels-idx1", 8)


def cifar_record(image, label):
    """The label, then red, green and blue, row by row, with two pixels of black around."""
    rows = b"".join(bytes(2) + image[y:y + 28] + bytes(2) for y in range(0, 784, 28))
    return bytes([label]) + (bytes(64) + rows + bytes(64)) * 3


def stl_record(image):
    """Red, green and blue, column by column, three times as large, with six pixels of black around."""
    columns = []
    for x in range(28):
        column = b"".join(bytes([value]) * 3 for value in image[x::28])
        columns.append((bytes(6) + column + bytes(6)) * 3)
    edge = bytes(6 * 96)
    return (edge + b"".join(columns) + edge) * 3


def write_sets(source, folder):
    """Fashion-MNIST as data_root for CIFAR10 and for STL."""
    cifar, stl = folder / "cifar-10-batches-bin", folder / "stl10_binary"
    cifar.mkdir(parents=True), stl.mkdir()
    images, labels = grey_images(source, "train", 50000)
    for batch in range(5):
        some = range(10000 * batch, 10000 * (batch + 1))
        (cifar / f"data_batch_{batch + 1}.bin").write_bytes(b"".join(cifar_record(images[i], labels[i]) for i in some))
    (stl / "train_X.bin").write_bytes(b"".join(map(stl_record, images[:5000])))
    (stl / "train_y.bin").write_bytes(bytes(label + 1 for label in labels[:5000]))
    (stl / "unlabeled_X.bin").write_bytes(stl_record(images[5000]))
    images, labels = grey_images(source, "t10k", 10000)
    (cifar / "test_batch.bin").write_bytes(b"".join(map(cifar_record, images, labels)))
    (stl / "test_X.bin").write_bytes(b"".join(map(stl_record, images[:8000])))
    (stl / "test_y.bin").write_bytes(bytes(label + 1 for label in labels[:8000]))


def compare_choice(runs, name, words):
    _, events = runs.run([*words, *CACHED, *GRID, "--epochs", "100"])
    for factor in dict.fromkeys(event["factor"] for event in events):
        of_factor = [e for e in events if e["factor"] == factor and e["epoch"] == 100]
        chosen = next(e for e in of_factor if e["event"] == "linear")
        best = max((e for e in of_factor if e["event"] == "linear_head"), key=lambda e: e["test_acc@1"])
        print(f"{name}, {factor}: chosen {chosen['test_acc@1']:.2f} % (lr {chosen['lr']}, weight decay {chosen['weight_decay']}); best "
              f"{best['test_acc@1']:.2f} % (lr {best['lr']}, weight decay {best['weight_decay']}); "
              f"{best['test_acc@1'] - chosen['test_acc@1']:.2f} points apart", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default="results/ColoredDigits/quickstart-search/model_20.pt")
    parser.add_argument("--bin", type=pathlib.Path, default="build/bin")
    parser.add_argument("--data", type=pathlib.Path, default="data")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(args.bin / "ipirm-linear", args.model.resolve(), pathlib.Path(folder))
        one, many = zip(*((epoch_seconds(runs, []), epoch_seconds(runs, GRID)) for _ in range(args.rounds)))
        one_s, many_s = statistics.median(one), statistics.median(many)
        print(f"an epoch of the reference's protocol: one head {one_s:.2f} s, 16 heads {many_s:.2f} s: {many_s / one_s:.2f} times",
              flush=True)
        cached, _ = runs.run([*DIGITS, *CACHED, "--epochs", "100"])
        print(f"100 epochs: the reference's protocol {100 * one_s:.0f} s (three made), --cache {cached:.2f} s: {100 * one_s / cached:.0f} times",
              flush=True)
        compare_choice(runs, "ColoredDigits", DIGITS)
        source = args.data / "FashionMNIST" / "raw"
        if not source.is_dir():
            print(f"no Fashion-MNIST in {source}: scripts/download.sh FashionMNIST")
            return
        write_sets(source, pathlib.Path(folder) / "data")
        for name, more in (("CIFAR10", ()), ("STL", ("--crop_size", "32"))):
            compare_choice(runs, f"Fashion-MNIST in {name}'s format",
                           ["--dataset", name, "--data_root", pathlib.Path(folder) / "data", *more])


if __name__ == "__main__":
    main()
