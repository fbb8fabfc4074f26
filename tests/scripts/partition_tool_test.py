# Runs ipirm-partition on arrays that numpy wrote: what it finds, what it repeats, and one line for every mistake.
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: numpy cannot be imported ({error})")
    sys.exit(77)

PROGRAM = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).resolve() / "ipirm-partition"
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
N, WIDTH = 24, 6


def unit(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def two_groups(samples, seed=0):
    """Views of samples of two kinds, and the kinds: each has its direction, and each sample its own detail."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 2, samples)
    centre = np.eye(16)[kind] * 2
    detail = random.normal(size=(samples, 16)) * 0.4
    noise = random.normal(size=(2, samples, 16)) * 0.1
    return unit(centre + detail + noise[0]), unit(centre + detail + noise[1]), kind


class PartitionToolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        random = np.random.default_rng(1)
        self.z1 = unit(random.normal(size=(N, WIDTH))).astype(np.float32)
        self.z2 = unit(self.z1 + 0.2 * random.normal(size=(N, WIDTH))).astype(np.float32)
        self.out = self.root / "p.npy"

    def command(self, *flags, view1=None, view2=None, out=None):
        files = {"view1": self.z1 if view1 is None else view1, "view2": self.z2 if view2 is None else view2}
        words = [PROGRAM, "--out", out or self.out, "--device", "cpu", *flags]
        for name, value in files.items():
            if isinstance(value, np.ndarray):
                np.save(self.root / f"{name}.npy", value)
                value = self.root / f"{name}.npy"
            words += [f"--{name}", value]
        return [str(word) for word in words]

    def call(self, *flags, **files):
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        return subprocess.run(self.command(*flags, **files), env=environment, capture_output=True, text=True, timeout=300)

    def find(self, *flags, **files):
        done = self.call(*flags, "--overwrite", **files)
        self.assertEqual(done.returncode, 0, done.stderr)
        return np.load(self.out)

    def refuse(self, words, *flags, **files):
        done = self.call(*flags, **files)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse(list(self.root.glob("p.npy*")))

    def test_planted_groups_are_found(self):
        z1, z2, kind = two_groups(400)
        done = self.call("--constrain", "--constrain_relax", "--irm_weight_maxim", ".5", view1=z1, view2=z2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        logits = np.load(self.out)
        self.assertEqual((logits.shape, logits.dtype), ((400, 2), np.float64))
        agreement = (logits.argmax(1) == kind).mean()
        self.assertGreater(max(agreement, 1 - agreement), 0.97)
        sizes = np.bincount(logits.argmax(1)).tolist()
        self.assertIn(f"environments {sizes[0]} + {sizes[1]}", done.stdout)

        events = [json.loads(line) for line in pathlib.Path(f"{self.out}.metrics.jsonl").read_text().splitlines()]
        passes, last = events[:-1], events[-1]
        self.assertEqual({event["event"] for event in passes}, {"maximize_pass"})
        self.assertEqual([event["pass"] for event in passes], list(range(last["passes"])))
        self.assertEqual((last["event"], last["sizes"]), ("maximize", sizes))
        self.assertEqual(last["risk"], min(event["risk"] for event in passes))
        self.assertEqual(passes[last["best_pass"]]["risk"], last["risk"])
        self.assertEqual(done.stdout.count("\npass "), last["passes"])

    def test_the_same_seed_gives_the_same_bytes(self):
        first = self.find("--maximize_batch", "7", "--maximize_passes", "5").tobytes()
        self.assertEqual(self.find("--maximize_batch", "7", "--maximize_passes", "5").tobytes(), first)
        self.assertNotEqual(self.find("--maximize_batch", "7", "--maximize_passes", "5", "--seed", "2").tobytes(), first)

    def test_types_and_orders(self):
        few = ("--maximize_passes", "3")
        single = self.find(*few)
        self.assertEqual(single.dtype, np.float32)
        double = self.find(*few, view1=self.z1.astype(np.float64), view2=self.z2.astype(np.float64))
        self.assertEqual(double.dtype, np.float64)
        np.testing.assert_allclose(double, single, rtol=1e-3, atol=1e-3)
        fortran = self.find(*few, view1=np.asfortranarray(self.z1), view2=self.z2)
        self.assertEqual(fortran.tobytes(), single.tobytes())

    def test_one_batch(self):
        whole = self.find("--maximize_batch", "0", "--maximize_passes", "3")
        beyond = self.find("--maximize_batch", "1000", "--maximize_passes", "3")
        self.assertEqual(whole.shape, (N, 2))
        self.assertEqual(whole.tobytes(), beyond.tobytes())

    def test_golden(self):
        """The authors' search takes the samples in a fixed order: so do files whose rows are in that order."""
        for name, weight in (("maximize_offline", ".5"), ("maximize_offline_k3", ".2")):
            with self.subTest(name):
                z1, z2, init, best, order = (np.load(GOLDEN / name / f"{array}.npy")
                                             for array in ("z1", "z2", "split_init", "split_best", "order"))
                np.save(self.root / "GroupResults_0.txt.npy", init[order])  # the reference's name for it
                found = self.find("--init", self.root / "GroupResults_0.txt.npy", "--no_shuffle", "--maximize_batch", "20",
                                  "--irm_weight_maxim", weight, "--constrain", "--constrain_relax", "--env_num",
                                  init.shape[1], view1=z1[order], view2=z2[order])
                np.testing.assert_allclose(found, best[order], rtol=1e-6, atol=1e-6)

    def test_configuration_file(self):
        (self.root / "c.yaml").write_text("env_num: 3\nmaximize_passes: 2\n")
        self.assertEqual(self.find("--config", self.root / "c.yaml").shape, (N, 3))

    def test_lengths_that_are_not_1_are_named_once(self):
        done = self.call("--maximize_passes", "2", view1=self.z1 * 3, view2=self.z2 * 3)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("has length 3", done.stderr)

    def test_refused_features(self):
        self.refuse(("(24, 5)", "(24, 6)", "view1.npy"), view2=self.z2[:, :5])
        self.refuse(("(23, 6)", "(24, 6)", "view1.npy"), view2=self.z2[:-1])
        self.refuse(("view1.npy", "(24,)", "(N, d)"), view1=self.z1[:, 0])
        self.refuse(("view2.npy", "(24, 6, 1)", "(N, d)"), view2=self.z2[:, :, None])
        self.refuse(("view1.npy", "1 sample(s)", "at least 2"), view1=self.z1[:1], view2=self.z2[:1])
        self.refuse(("view1.npy", "(24, 0)"), view1=self.z1[:, :0])
        for dtype in ("float16", "int32", "complex64", ">f4", "object", "U3"):
            self.refuse(("view1.npy", "float32" if dtype in ("float16", "int32") else "<f4", "astype"),
                        view1=self.z1.astype(dtype))
        self.refuse(("view2.npy", "float64", "float32"), view2=self.z2.astype(np.float64))
        for value, word in ((np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")):
            bad = self.z2.copy()
            bad[11, 4] = value
            self.refuse(("view2.npy", "row 11, column 4", word), view2=bad)
        bad = self.z1.copy()
        bad[3] = 0
        self.refuse(("view1.npy", "row 3", "zeros"), view1=bad)
        self.refuse(("none.npy", "No such file"), view1=self.root / "none.npy")
        (self.root / "text.npy").write_text("0.1 0.2 0.3 0.4")
        self.refuse(("text.npy", "numpy.save"), view2=self.root / "text.npy")

    def test_refused_flags(self):
        self.refuse(("--env_num 25", "24 samples"), "--env_num", "25")
        self.refuse(("--env_num 25",), "--env_num", "25", view1=self.z1 * 3)
        self.refuse(("--maximize_batch", "'1'", "at least 2"), "--maximize_batch", "1")
        self.refuse(("--maximize_batch", "'-2'"), "--maximize_batch", "-2")
        self.refuse(("--envnum", "--env_num"), "--envnum", "3")
        init = self.root / "v.npy"
        for array, words in ((np.zeros((N, 3)), ("(24, 3)", "(24, 2)")), (np.zeros((N, 2), int), ("int64", "float32")),
                             (np.full((N, 2), np.nan), ("row 0, column 0", "NaN"))):
            np.save(init, array)
            self.refuse(("v.npy", *words), "--init", init)
        self.refuse(("w.npy",), "--init", self.root / "w.npy")

    def test_refused_places(self):
        self.refuse(("none/p.npy",), out=self.root / "none" / "p.npy")
        self.refuse(("view1.npy",), "--overwrite", out=self.root / "view1.npy")
        self.refuse((str(self.root), "no regular file"), out=self.root)
        kept = self.find("--maximize_passes", "2")
        done = self.call()
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("--overwrite", done.stderr)
        np.testing.assert_array_equal(np.load(self.out), kept)

    def test_interrupts_write_nothing(self):
        z1, z2, _ = two_groups(3000)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(self.command("--maximize_passes", "4096", "--maximize_batch", "50", view1=z1, view2=z2),
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while "pass 0" not in process.stdout.readline():
                self.assertIsNone(process.poll())
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130, err)
            self.assertIn(f"nothing was written to {self.out}", out)
            self.assertFalse(list(self.root.glob("p.npy*")))


if __name__ == "__main__":
    unittest.main()
