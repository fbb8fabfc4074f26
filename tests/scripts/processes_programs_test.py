# ipirm-partition, ipirm-linear and ipirm-features in several processes: one's files up to rounding, what differs between ranks refused, interrupts obeyed by all.
import json
import pathlib
import signal
import sys
import tempfile
import unittest

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: numpy cannot be imported ({error})")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from ranks import BIN, start_one, start_ranks  # noqa: E402

DATA = ("--dataset", "ColoredDigits", "--workers", "1", "--device", "cpu", "--log_level", "warning")


def start(program, size, words_of):
    """`size` processes of a program, one without a starter's variables. words_of(rank): their flags."""
    command = [str(BIN / program)]
    if size == 1:
        return [start_one(command + [str(word) for word in words_of(0)])]
    return start_ranks(size, lambda rank: [str(word) for word in words_of(rank)], program_of=lambda rank: command[0])


def ends(processes):
    """[(exit code, what it said)]"""
    return [(process.communicate(timeout=120)[1], process.returncode)[::-1] for process in processes]


def events(path):
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in path.read_text().splitlines()]


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        random = np.random.default_rng(1)
        z = random.normal(size=(2, 150, 8)) + 2 * np.eye(8)[random.integers(0, 2, 150)]
        for view, rows in enumerate(z, 1):
            np.save(cls.root / f"z{view}.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
        np.save(cls.root / "other.npy", np.load(cls.root / "z2.npy")[::-1].copy())
        trained = ends(start("ipirm-train", 1, lambda rank: (
            *DATA, "--baseline", "--arch", "resnet18", "--width", 16, "--feature_dim", 8, "--batch_size", 128, "--crop_size", 8,
            "--max_steps", 2, "--results_root", cls.root, "--name", "model")))
        assert trained[0][0] == 0, trained
        cls.model = cls.root / "ColoredDigits" / "model" / "model_1.pt"

    def done(self, program, size, words):
        for rank, (code, said) in enumerate(ends(start(program, size, lambda rank: words))):
            self.assertEqual(code, 0, (rank, said))

    def partition_words(self, out, *more, view2="z2.npy"):
        return ("--view1", self.root / "z1.npy", "--view2", self.root / view2, "--out", self.root / out, "--device", "cpu",
                "--maximize_passes", 12, "--constrain", "--log_level", "warning", *more)

    def test_a_partition_is_that_of_one_process(self):
        for batch in (0, 64):
            self.done("ipirm-partition", 1, self.partition_words(f"one{batch}.npy", "--maximize_batch", batch))
            expected = np.load(self.root / f"one{batch}.npy")
            self.assertEqual(expected.dtype, np.float64)
            for size in (2, 4):
                name = f"some{size}_{batch}.npy"
                self.done("ipirm-partition", size, self.partition_words(name, "--maximize_batch", batch))
                np.testing.assert_allclose(np.load(self.root / name), expected, rtol=1e-9, atol=1e-9)
                for one, other in zip(events(self.root / f"one{batch}.npy.metrics.jsonl"), events(self.root / (name + ".metrics.jsonl")),
                                      strict=True):
                    self.assertEqual(one["event"], other["event"])
                    if "risk" in one:
                        self.assertAlmostEqual(one["risk"], other["risk"], delta=1e-9)

    def test_other_features_or_flags_are_refused(self):
        for words_of, what in ((lambda rank: self.partition_words("never.npy", view2="other.npy" if rank else "z2.npy"),
                                "features of the second view"),
                               (lambda rank: self.partition_words("never.npy", "--seed", 3 + rank), "settings")):
            for code, said in ends(start("ipirm-partition", 2, words_of)):
                self.assertEqual(code, 2, said)
                self.assertIn(f"rank 1 has other {what} than rank 0", said)
        self.assertFalse((self.root / "never.npy").exists())

    def test_an_interrupt_of_one_rank_stops_all(self):
        ranks = start("ipirm-partition", 2, lambda rank: self.partition_words(
            "stopped.npy", "--maximize_passes", 4000, "--maximize_batch", 4, "--log_level", "info"))
        while "pass " not in (ranks[0].stdout.readline() or self.fail("it ended")):
            pass
        ranks[1].send_signal(signal.SIGUSR1)
        for code, said in ends(ranks):
            self.assertEqual(code, 130, said)
        self.assertFalse((self.root / "stopped.npy").exists())

    def linear_words(self, name, *more):
        return ("--model_path", self.model, *DATA, "--crop_size", 8, "--batch_size", 130, "--bn", "eval", "--lr", .01, "--epochs", 2,
                "--txt", "--downstream_root", self.root / "downstream", "--name", name, *more)

    def results(self, name):
        return events(self.root / "downstream" / "ColoredDigits" / name / "metrics.jsonl")

    def assert_near(self, found, expected):
        self.assertEqual(len(found), len(expected))
        for one, other in zip(found, expected):
            self.assertEqual(one.keys(), other.keys())
            for key, value in other.items():
                if isinstance(value, float):
                    self.assertAlmostEqual(one[key], value, delta=1e-4 if "loss" in key else 1e-9, msg=key)
                else:
                    self.assertEqual(one[key], value)

    def test_a_linear_evaluation_is_that_of_one_process(self):
        self.done("ipirm-linear", 1, self.linear_words("one"))
        expected = self.results("one")
        self.done("ipirm-linear", 2, self.linear_words("two"))
        self.assert_near(self.results("two"), expected)
        # Begun by one process, gone on with by two.
        self.done("ipirm-linear", 1, self.linear_words("both", "--epochs", 1))
        self.done("ipirm-linear", 2, self.linear_words("both", "--resume"))
        self.assert_near(self.results("both"), expected)

    def test_statistics_of_each_rank_go_on_to_the_same_bits(self):
        self.done("ipirm-linear", 2, self.linear_words("whole", "--bn", "train"))
        self.done("ipirm-linear", 2, self.linear_words("cut", "--bn", "train", "--epochs", 1))
        self.done("ipirm-linear", 2, self.linear_words("cut", "--bn", "train", "--resume"))
        self.assertEqual(self.results("cut"), self.results("whole"))

    def test_a_batch_that_does_not_divide_is_refused(self):
        for code, said in ends(start("ipirm-linear", 2, lambda rank: self.linear_words("odd", "--batch_size", 129))):
            self.assertEqual(code, 2, said)
            self.assertIn("--batch_size 130", said)

    def test_features_are_those_of_one_process(self):
        def words(out):
            return ("--model_path", self.model, *DATA, "--split", "test", "--out", self.root / out)

        self.done("ipirm-features", 1, words("one_f.npy"))
        self.done("ipirm-features", 3, words("three_f.npy"))
        np.testing.assert_allclose(np.load(self.root / "three_f.npy"), np.load(self.root / "one_f.npy"), rtol=1e-5, atol=1e-6)
        self.assertEqual((self.root / "three_f.csv").read_bytes(), (self.root / "one_f.csv").read_bytes())


if __name__ == "__main__":
    unittest.main()
