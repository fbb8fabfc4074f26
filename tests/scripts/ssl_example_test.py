#!/usr/bin/env python3
# The example for Python users does what it says: searches, kept partitions, a loss that falls, with and without autocast.
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import torch  # noqa: F401
except ImportError:
    print("skipped: this Python has no torch or no numpy")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = pathlib.Path(os.environ["IPIRM_BIN"]).parent / "lib/libipirm_ops.so"
NUMBER = r"(-?[\d.]+)"


def example(*flags):
    environment = dict(os.environ, OMP_NUM_THREADS="1")  # a tiny network: more threads only wait
    run = subprocess.run([sys.executable, ROOT / "scripts/ssl_example.py", "--library", LIBRARY, *flags], env=environment,
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise AssertionError(run.stdout + run.stderr)
    return run.stdout, run.stderr


class Example(unittest.TestCase):
    def check(self, out, epochs, searches):
        found = re.findall(rf"search: risk {NUMBER} at first, {NUMBER} at best; sizes \[(\d+), (\d+)\]", out)
        self.assertEqual(len(found), searches, out)
        for first, best, *sizes in found:
            self.assertLess(float(best), float(first))
            self.assertEqual(sum(map(int, sizes)), 512)
            self.assertLess(max(map(int, sizes)), 400, "the balance term keeps the environments near 2:1")
        terms = re.findall(rf"epoch \d+: (\d+) partition\(s\), contrastive {NUMBER}, whole batch {NUMBER}, penalty {NUMBER}", out)
        self.assertEqual(len(terms), epochs, out)
        self.assertEqual(int(terms[-1][0]), searches)
        self.assertLess(float(terms[-1][2]), float(terms[0][2]))
        return terms

    def test_training_with_searches_and_partitions_kept_in_files(self):
        with tempfile.TemporaryDirectory() as folder:
            out, err = example("--epochs", "3", "--search_every", "2", "--save_dir", folder)
            self.check(out, epochs=3, searches=2)
            self.assertNotIn("mean length", err)
            files = sorted(pathlib.Path(folder).iterdir())
            self.assertEqual([f.name for f in files], ["partition_1.npy", "partition_3.npy"])
            self.assertEqual(np.load(files[0]).shape, (512, 2))
            # Kept in a file or not: the same numbers.
            self.assertEqual(example("--epochs", "3", "--search_every", "2")[0], out)

    def test_autocast(self):
        plain, narrow = (self.check(example("--epochs", "2", *flags)[0], epochs=2, searches=1) for flags in ((), ("--autocast",)))
        self.assertNotEqual(plain, narrow)
        self.assertAlmostEqual(float(plain[-1][2]), float(narrow[-1][2]), delta=.1)

    def test_lightly(self):
        out, _ = example("--epochs", "2", "--lightly")
        if out.startswith("skipped:"):
            self.skipTest(out.strip())
        self.check(out, epochs=2, searches=1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
