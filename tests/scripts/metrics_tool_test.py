# Runs ipirm-metrics on features that numpy wrote: what it finds, what it repeats, and one line for every mistake.
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: numpy cannot be imported ({error})")
    sys.exit(77)

PROGRAM = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).resolve() / "ipirm-metrics"
HUES = ("red", "green", "blue")


def sample(n, seed):
    """Codes: the digit, the hue's number, both, noise. Values of factors as texts."""
    random = np.random.default_rng(seed)
    digit, hue = random.integers(8, 12, n), random.integers(0, 3, n)
    noise = random.normal(size=(n, 4)) * 0.1
    z = np.stack([digit, hue, digit + hue, np.zeros(n)], 1) + noise
    return z, [(str(d), HUES[h]) for d, h in zip(digit, hue)]


class MetricsToolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.out = self.root / "metrics.json"
        for name, n, seed in (("train", 120, 1), ("test", 60, 2)):
            self.write(name, *sample(n, seed))

    def write(self, name, z, rows, heading="index,digit,hue"):
        np.save(self.root / f"{name}.npy", z)
        lines = [",".join((str(i), *row)) for i, row in enumerate(rows)]
        (self.root / f"{name}.csv").write_text("\n".join([heading, *lines]) + "\n")

    def call(self, *flags, threads="1"):
        words = [PROGRAM, "--train", self.root / "train.npy", "--test", self.root / "test.npy", "--out", self.out, *flags]
        return subprocess.run(list(map(str, words)), env=dict(os.environ, OMP_NUM_THREADS=threads), capture_output=True, text=True,
                              timeout=300)

    def report(self, *flags, **more):
        done = self.call(*flags, "--overwrite", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(self.out.read_text()), done.stdout + done.stderr

    def refuse(self, words, *flags):
        done = self.call(*flags)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse(self.out.exists())

    def test_every_metric_is_reported_and_printed(self):
        report, text = self.report()
        scores = report["scores"]
        self.assertEqual((report["codes"], report["dead_codes"], report["train_samples"], report["test_samples"]), (4, 0, 120, 60))
        for name in ("disentanglement", "completeness", "gbt_train", "gbt_test", "gbt_test_least", "irs", "mig", "modularity",
                     "explicitness_train", "explicitness_test", "sap", "lr_train", "lr_test", "lr_test_least"):
            self.assertTrue(0 <= scores[name] <= 1, (name, scores[name]))
            self.assertIn(name, text)
            self.assertIn(f"{scores[name]:.4f}", text)
        self.assertGreater(scores["gbt_test"], 0.95)
        self.assertGreater(scores["lr_test"], 0.95)
        self.assertEqual(list(report["factors"]), ["digit", "hue"])
        importance = np.array(report["codes_by_factors"]["importance"])
        np.testing.assert_allclose(importance.sum(0), 1, atol=1e-12)
        self.assertEqual(importance.argmax(0).tolist(), [0, 1])
        self.assertEqual(report["notes"], [])

    def test_threads_change_nothing_and_the_seed_draws_samples(self):
        once = self.report("--train_samples", "80", threads="1")
        self.assertEqual(once[0], self.report("--train_samples", "80", threads="3")[0])
        self.assertEqual(once[0]["train_samples"], 80)
        other = self.report("--train_samples", "80", "--seed", "5")[0]
        self.assertNotEqual(once[0]["scores"], other["scores"])

    def test_some_metrics_of_some_factors(self):
        report, text = self.report("--metrics", "irs,mig", "--factors", "hue")
        self.assertEqual(list(report["scores"]), ["irs", "mig"])
        self.assertEqual(list(report["factors"]), ["hue"])
        self.assertNotIn("lr_test", text)

    def test_one_factor_alone(self):
        report, text = self.report("--factors", "digit")
        for name in ("disentanglement", "modularity"):
            self.assertNotIn(name, report["scores"])
            self.assertTrue(any(note.startswith(name) for note in report["notes"]))
        self.assertIn("there is one alone", text)
        self.assertIn("completeness", report["scores"])
        self.refuse_after_removal(["modularity compares factors", "expected two or more"], "--factors", "digit", "--metrics", "irs,modularity")
        self.refuse(["'digit' twice"], "--factors", "digit,digit")
        self.assertIn("gbt_test", self.report("--factors", "digit", "--metrics", "dci")[0]["scores"])

    def test_one_code_alone(self):
        for name, n, seed in (("train", 120, 1), ("test", 60, 2)):
            z, rows = sample(n, seed)
            self.write(name, z[:, :1], rows)
        report, _ = self.report()
        for name in ("completeness", "mig", "sap"):
            self.assertNotIn(name, report["scores"])
        self.assertAlmostEqual(report["scores"]["disentanglement"], 0)  # the code alone matters to both factors alike
        self.out.unlink()
        for name in ("mig", "sap"):
            self.refuse([f"{name} compares codes", "expected two or more"], "--metrics", f"irs,{name}")

    def test_dead_and_duplicated_codes(self):
        for name, n, seed in (("train", 120, 1), ("test", 60, 2)):
            z, rows = sample(n, seed)
            self.write(name, np.stack([z[:, 0], z[:, 1], z[:, 0], z[:, 1], np.full(n, 0.1)], 1), rows)
        report, _ = self.report("--metrics", "dci,irs,mig,sap,modularity")
        self.assertEqual(report["dead_codes"], 1)
        self.assertEqual((report["scores"]["mig"], report["scores"]["sap"]), (0, 0))
        importance = np.array(report["codes_by_factors"]["importance"])
        self.assertEqual(importance[4].tolist(), [0, 0])
        self.assertTrue((importance[[0, 2], 0] > 0.2).all(), importance)  # twins share
        self.assertLess(report["scores"]["completeness"], 0.7)

    def test_constant_factors_are_left_out(self):
        for name, n, seed in (("train", 120, 1), ("test", 60, 2)):
            z, rows = sample(n, seed)
            self.write(name, z, [(digit, hue, "x") for digit, hue in rows], "index,digit,hue,place")
        report, text = self.report("--metrics", "mig,modularity,irs")
        self.assertEqual(list(report["factors"]), ["digit", "hue"])
        self.assertIn("place is left out", text)
        self.refuse_after_removal(["no factor varies"], "--factors", "place")

    def refuse_after_removal(self, words, *flags):
        self.out.unlink()
        self.refuse(words, *flags)

    def test_a_class_that_the_test_lacks_and_one_that_training_lacks(self):
        z, rows = sample(60, 2)
        keep = [i for i, row in enumerate(rows) if row[0] != "11"]
        self.write("test", z[keep], [rows[i] for i in keep])
        report, _ = self.report("--metrics", "dci,explicitness,sap,lr")
        self.assertGreater(report["factors"]["digit"]["explicitness_test"], 0.9)
        self.write("test", z, [("77" if row[0] == "11" else row[0], row[1]) for row in rows])
        report, _ = self.report("--metrics", "dci,lr")
        share = sum(row[0] != "11" for row in rows) / len(rows)
        self.assertLessEqual(report["factors"]["digit"]["gbt_test"], share)
        self.write("test", z[:1], rows[:1])
        report, text = self.report("--metrics", "explicitness")
        self.assertNotIn("explicitness_test", report["scores"])
        self.assertIn("all test samples have one value", text)

    def test_mistakes_are_one_line(self):
        z, rows = sample(120, 1)
        for bad, word in ((np.nan, "NaN"), (np.inf, "infinite")):
            wrong = z.copy()
            wrong[7, 2] = bad
            self.write("train", wrong, rows)
            self.refuse(["train.npy", "row 7, column 2", word])
        self.write("train", z[:, :3], rows)
        self.refuse(["test.npy", "width 4", "expected 3"])
        self.write("train", z[0], rows)
        self.refuse(["train.npy", "(4,)", "expected (N, D)"])
        self.write("train", z.astype(np.int64), rows)
        self.refuse(["train.npy", "int64"])
        self.write("train", z, rows[:-1])
        self.refuse(["train.csv", "holds 119 rows", "expected 120"])
        self.write("train", z, [("", rows[0][1]), *rows[1:]])
        self.refuse(["train.csv:2", "'digit'"])
        self.write("train", z, rows, "index,digit,color")
        self.refuse(["test.csv:1", "'color'"])
        self.write("train", z, rows)
        self.refuse(["train.csv:1", "'hues'", "'hue'"], "--factors", "hues")
        self.refuse(["--metrics", "'dcy'", "dci"], "--metrics", "mig,dcy")
        self.refuse(["--metrics", "'mig' twice"], "--metrics", "mig,mig")
        self.refuse(["nowhere.csv"], "--train_factors", "nowhere.csv")
        self.refuse(["--train is missing"], "--train", "")

    def test_an_existing_report_stays(self):
        self.out.write_text("mine")
        done = self.call()
        self.assertEqual((done.returncode, self.out.read_text()), (2, "mine"))
        self.assertIn("--overwrite", done.stderr)


if __name__ == "__main__":
    unittest.main()
