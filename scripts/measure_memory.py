#!/usr/bin/env python3
# Shows the memory of a training run after each of 50 searches: it must not grow with their number.
"""usage: scripts/measure_memory.py [flags of ipirm-train ...]      3 to 5 minutes on 2 cores

Trains a small ResNet-18 on ColoredDigits with a search after every epoch and prints the resident memory of the process.
For instance: scripts/measure_memory.py --retain_group;  scripts/measure_memory.py --mixup --batch_size 64 --epochs 25
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(__file__).absolute().parents[1] / os.environ.get("BUILD_DIR", "build") / "bin" / "ipirm-train"


def resident_mb(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return None  # it has just ended


def main():
    with tempfile.TemporaryDirectory() as root:
        metrics = pathlib.Path(root, "ColoredDigits", "x", "metrics.jsonl")
        process = subprocess.Popen([
            BIN, "--dataset", "ColoredDigits", "--arch", "resnet18", "--width", "16", "--feature_dim", "32", "--batch_size", "256",
            "--workers", "2", "--device", "cpu", "--offline", "--random_init", "--constrain", "--maximize_passes", "4",
            "--maximize_iter", "1", "--epochs", "50", "--eval_every", "1000", "--save_every", "1000", "--save_minutes", "0",
            "--results_root", root, "--name", "x", "--log_level", "warning", *sys.argv[1:]])
        searches = 0
        while process.poll() is None:
            time.sleep(.05)
            now = metrics.read_text().count('"event":"maximize"') if metrics.exists() else 0
            if now != searches:
                searches = now
                print(f"search {searches:3}  {resident_mb(process)} MB", flush=True)
        sys.exit(process.returncode)


if __name__ == "__main__":
    main()
