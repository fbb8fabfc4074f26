# Holds ipirm-metrics to scikit-learn, on sets of other generator seeds than the golden values'. Needs a Python that has scikit-learn
# (scripts/bench_metrics.py says how to make one); the ordinary suite, whose Python has none, skips it.
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    import numpy as np
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import mutual_info_score, roc_auc_score
    from sklearn.svm import LinearSVC
except ImportError as error:
    print(f"skipped: scikit-learn cannot be imported ({error})")
    sys.exit(77)

PROGRAM = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).resolve() / "ipirm-metrics"
SIZES = (2, 3, 4)


def sample(random, n):
    y = np.stack([random.integers(0, size, n) for size in SIZES], 1)
    noise = random.random((n, 3)) - 0.5
    z = np.stack([y[:, 0] + 1.6 * noise[:, 0], y[:, 1] + 1.4 * noise[:, 1], y[:, 2] + 0.5 * y[:, 1] + 1.8 * noise[:, 2],
                  random.random(n)], 1)
    return z, y


def per_factor(report, name):
    return [scores[name] for scores in report["factors"].values()]


class AgainstScikitLearn(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        random = np.random.default_rng(11)
        self.train, self.test = sample(random, 300), sample(random, 150)

    def report(self, *flags, columns=slice(None)):
        for name, (z, y) in (("train", self.train), ("test", self.test)):
            np.save(self.root / f"{name}.npy", z[:, columns])
            rows = "".join(",".join(map(str, row)) + "\n" for row in y)
            (self.root / f"{name}.csv").write_text("a,b,c\n" + rows)
        done = subprocess.run([PROGRAM, "--train", self.root / "train.npy", "--test", self.root / "test.npy", "--out", self.root / "m.json",
                               "--overwrite", *flags], env=dict(os.environ, OMP_NUM_THREADS="1"), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads((self.root / "m.json").read_text())

    def test_trees_without_ties(self):
        for column, factor in ((0, 0), (2, 2)):
            report = self.report("--metrics", "dci", columns=[column])
            (z, y), (zt, yt) = self.train, self.test
            model = GradientBoostingClassifier(random_state=0).fit(z[:, [column]], y[:, factor])
            self.assertEqual(per_factor(report, "gbt_train")[factor], model.score(z[:, [column]], y[:, factor]))
            self.assertEqual(per_factor(report, "gbt_test")[factor], model.score(zt[:, [column]], yt[:, factor]))

    def test_importances_are_within_the_spread_over_seeds(self):
        found = np.mean([self.report("--metrics", "dci", "--seed", str(seed))["codes_by_factors"]["importance"] for seed in range(6)], 0)
        z, y = self.train
        for f in range(3):
            expected = np.mean([GradientBoostingClassifier(random_state=seed).fit(z, y[:, f]).feature_importances_ for seed in range(6)], 0)
            np.testing.assert_allclose(found[:, f], expected, atol=0.005)

    def test_explicitness(self):
        report = self.report("--metrics", "explicitness")
        (z, y), (zt, yt) = self.train, self.test
        mean, spread = z.mean(0), z.std(0)
        for f in range(3):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = LogisticRegression(C=1, tol=1e-12, max_iter=10000).fit((z - mean) / spread, y[:, f])
            for name, codes, values in (("explicitness_train", z, y[:, f]), ("explicitness_test", zt, yt[:, f])):
                chances = model.predict_proba((codes - mean) / spread)
                areas = [roc_auc_score(values == k, chances[:, k]) for k in range(SIZES[f])]
                inside = np.bincount(values)
                jump = max(1 / (count * (len(values) - count)) for count in inside)  # two scores that are equal but for rounding
                self.assertAlmostEqual(per_factor(report, name)[f], np.mean(areas), delta=1e-6 + 2 * jump)

    def test_information(self):
        report = self.report("--metrics", "mig,modularity")
        z, y = self.train
        for d in range(4):
            bins = np.digitize(z[:, d], np.histogram(z[:, d], 20)[1][:-1])
            expected = [mutual_info_score(y[:, f], bins) for f in range(3)]
            np.testing.assert_allclose(report["codes_by_factors"]["information"][d], expected, atol=1e-12)

    def test_predictability(self):
        report = self.report("--metrics", "sap")
        (z, y), (zt, yt) = self.train, self.test
        for d in range(4):
            for f in range(3):
                model = LinearSVC(C=0.01, class_weight="balanced", tol=1e-12, max_iter=1000000, random_state=0).fit(z[:, [d]], y[:, f])
                self.assertAlmostEqual(report["codes_by_factors"]["sap"][d][f], model.score(zt[:, [d]], yt[:, f]), places=12)


if __name__ == "__main__":
    unittest.main()
