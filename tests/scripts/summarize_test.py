#!/usr/bin/env python3
# Checks the table of scripts/summarize.py on the files of our runs and on those that the reference leaves.
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/summarize.py"


class SummarizeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ipirm summarize ")
        self.addCleanup(folder.cleanup)
        self.run_folder, self.linear_folder = pathlib.Path(folder.name) / "run", pathlib.Path(folder.name) / "linear"
        self.run_folder.mkdir()
        self.linear_folder.mkdir()

    def table(self):
        return subprocess.run([sys.executable, SCRIPT, self.run_folder, self.linear_folder], text=True, stdout=subprocess.PIPE,
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


if __name__ == "__main__":
    unittest.main()
