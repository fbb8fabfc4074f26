#!/usr/bin/env python3
# Checks the tables of scripts/summarize.py and compare.py on the files of our runs and on those that the reference leaves.
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


class SummarizeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ipirm summarize ")
        self.addCleanup(folder.cleanup)
        self.run_folder, self.linear_folder = pathlib.Path(folder.name) / "run", pathlib.Path(folder.name) / "linear"
        self.run_folder.mkdir()
        self.linear_folder.mkdir()

    def table(self):
        return subprocess.run([sys.executable, SCRIPTS / "summarize.py", self.run_folder, self.linear_folder], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)

    def test_our_files(self):
        rows = [{"event": "maximize", "epoch": 0, "sizes": [7, 5]},
                {"event": "knn", "factor": "label", "test_acc@1": 11.5}, {"event": "knn", "factor": "label", "test_acc@1": 42.25}]
        (self.run_folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.run_folder / "knn_result.txt").write_text("test_acc@1: 1.0, test_acc@5: 2.0\n")  # of fewer digits: not taken
        (self.linear_folder / "metrics.jsonl").write_text('{"event": "linear", "factor": "label", "test_acc@1": 84.5}\n')
        done = self.table()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"label +42\.25 % +84\.50 %")
        self.assertIn("partition after epoch 0    environments 7 + 5", done.stdout)

    def test_the_references_files(self):
        (self.run_folder / "knn_result.txt").write_text("\ntest_acc@1: 60.0, test_acc@5: 90.0\ntest_acc@1: 73.5625, test_acc@5: 97.1")
        for name in ("GroupResults_0.txt.npy", "GroupResults_100.txt.npy", "GroupResults_50.txt.npy", "model_400.pth"):
            (self.run_folder / name).touch()
        (self.linear_folder / "result.txt").write_text("\ntest_loss: 0.5, test_acc@1: 84.4375, test_acc@5: 99.2")
        done = self.table()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"label +73\.56 % +84\.44 %")
        found = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("partition")]
        self.assertEqual(found, [f"GroupResults_{epoch}.txt.npy" for epoch in (0, 50, 100)])

    def test_a_folder_of_neither_kind(self):
        done = self.table()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("metrics.jsonl", done.stderr)


class CompareTest(unittest.TestCase):
    def make_run(self, root, name, config, rows):
        folder = root / "runs" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(config)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    def test_runs_side_by_side(self):
        def knn(epoch, digit, hue):
            return [{"event": "knn", "epoch": epoch, "factor": factor, "test_acc@1": value}
                    for factor, value in (("digit", digit), ("hue", hue))]

        def partition(epoch, digit, hue):
            return {"event": "maximize", "epoch": epoch, "seconds": 1,
                    "factors": {"digit": {"information": digit, "share": 0}, "hue": {"information": hue, "share": 0}}}

        with tempfile.TemporaryDirectory(prefix="ipirm compare ") as name:
            root = pathlib.Path(name)
            runs = [self.make_run(root, "a", "baseline: true\npartition_source: search\n", knn(10, 20, 99) + knn(20, 31.25, 100)),
                    self.make_run(root, "b", "baseline: false\npartition_source: random\nenv_num: 4\n", knn(20, 50, 90)),
                    self.make_run(root, "c", "baseline: false\npartition_source: random\nenv_num: 1\n", knn(20, 40, 95)),
                    self.make_run(root, "d", "baseline: false\npartition_source: factor:hue\n", knn(20, 80, 10)),
                    # The partition after the last epoch was never trained with, and does not count.
                    self.make_run(root, "e", "baseline: false\npartition_source: search\n",
                                  [partition(0, .1, .2), partition(10, .3, .4)] + knn(20, 75, 60) + [partition(20, 9, 9)])]
            linear = root / "linear" / "e"
            linear.mkdir(parents=True)
            (linear / "metrics.jsonl").write_text('{"event": "linear", "factor": "digit", "test_acc@1": 84.5}\n')
            done = subprocess.run([sys.executable, SCRIPTS / "compare.py", *runs, "--linear", root / "linear"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
        self.assertEqual(rows, ["kNN kNN linear nats nats", "digit hue digit digit hue",
                                "no partition (baseline) 31.2 % 100.0 % - - -",
                                "random partitions (control) 50.0 % 90.0 % - - -",
                                "one environment of all 40.0 % 95.0 % - - -",
                                "split by hue (oracle) 80.0 % 10.0 % - - -",
                                "searched partitions (IP-IRM) 75.0 % 60.0 % 84.5 % 0.20 0.30"])


if __name__ == "__main__":
    unittest.main()
