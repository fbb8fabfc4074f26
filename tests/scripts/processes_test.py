# torchrun starts several processes of ipirm-train: the same bits as without it for one, the same numbers for several with --sync_bn; kills, restarts, refusals.
"""Needs PyTorch for torchrun; skipped without it."""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
ENV = dict({key: value for key, value in os.environ.items() if not key.startswith(("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_"))},
           OMP_NUM_THREADS="1")
TIMES = ("seconds", "samples_per_second")
try:
    import torch
except ImportError:
    print("skipped: no PyTorch here, whose torchrun starts the processes")
    sys.exit(77)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def flags(root, name, *more):
    return [str(word) for word in (
        "--dataset", "ColoredDigits", "--arch", "resnet18", "--width", 16, "--feature_dim", 8, "--batch_size", 128, "--crop_size", 8,
        "--epochs", 2, "--workers", 1, "--device", "cpu", "--offline", "--random_init", "--retain_group", "--maximize_passes", 4,
        "--maximize_batch", 300, "--maximize_iter", 1, "--log_every", 2, "--eval_every", 1, "--save_every", 1, "--results_root", root,
        "--name", name, "--log_level", "warning", "--dist_timeout", 1, *more)]


def torchrun(processes, words, restarts=0):
    return [sys.executable, "-m", "torch.distributed.run", "--no-python", "--nproc_per_node", str(processes), "--max_restarts",
            str(restarts), "--master_addr", "127.0.0.1", "--master_port", str(free_port()), "--monitor_interval", ".1",
            str(BIN / "ipirm-train"), *words]


def run(command, env=ENV, timeout=300):
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)


def start_ranks(size, words_of):
    """Processes with the variables themselves, as srun starts them; rank 0 keeps the store."""
    port = str(free_port())
    return [subprocess.Popen([str(BIN / "ipirm-train"), *words_of(rank)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=dict(ENV, RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1",
                                      MASTER_PORT=port)) for rank in range(size)]


def outcome(folder):
    """All that a run leaves but its state, times left out."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()
             if path.name.startswith(("model_", "GroupResults_")) or path.name in ("log.txt", "knn_result.txt")}
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return files, [{key: value for key, value in event.items() if key not in TIMES} for event in events]


class Processes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        alone = run([str(BIN / "ipirm-train"), *flags(cls.root, "alone")])
        assert alone.returncode == 0, alone.stderr
        cls.alone = outcome(cls.folder("alone"))
        two = run(torchrun(2, flags(cls.root, "two")))
        assert two.returncode == 0, two.stderr
        cls.two = outcome(cls.folder("two"))

    @classmethod
    def folder(cls, name):
        return cls.root / "ColoredDigits" / name

    def test_one_process_under_torchrun_is_one_without_it(self):
        one = run(torchrun(1, flags(self.root, "one")))
        self.assertEqual(one.returncode, 0, one.stderr)
        self.assertEqual(outcome(self.folder("one")), self.alone)

    def test_a_synchronised_step_is_that_of_one_process(self):
        """One step alone: Adam's first one moves a weight by lr times the sign of its gradient, rounding or not, so that float32
        runs part from there. tests/train/processes_test.cpp follows several steps in float64."""
        def first_step(name):
            return next(event for event in outcome(self.folder(name))[1] if event["event"] == "step")

        words = ("--crop_size", 16, "--max_steps", 1, "--sync_bn", "--partition_source", "factor:colour")
        alone = run([str(BIN / "ipirm-train"), *flags(self.root, "near", *words)])
        self.assertEqual(alone.returncode, 0, alone.stderr)
        for size in (2, 4):
            done = run(torchrun(size, flags(self.root, f"near{size}", *words)))
            self.assertEqual(done.returncode, 0, done.stderr)
            found, expected = first_step(f"near{size}"), first_step("near")
            for term in ("loss", "contrastive", "penalty"):
                self.assertLess(abs(found[term] - expected[term]), 1e-5 * expected["loss"], (size, found, expected))

    def test_the_same_ranks_give_the_same_bits(self):
        again = run(torchrun(2, flags(self.root, "again")))
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(outcome(self.folder("again")), self.two)

    def test_a_run_goes_on_with_as_many_or_other_processes(self):
        first = run(torchrun(2, flags(self.root, "cut", "--max_steps", 7)))
        self.assertEqual(first.returncode, 0, first.stderr)
        second = run(torchrun(2, flags(self.root, "cut", "--resume")))
        self.assertEqual(second.returncode, 0, second.stderr)
        files, events = outcome(self.folder("cut"))
        files.pop("model_1.pt", None)  # (that of --max_steps is written at another moment)
        expected = dict(self.two[0])
        expected.pop("model_1.pt", None)
        self.assertEqual(files, expected)
        self.assertEqual(events, self.two[1])
        first = run(torchrun(4, flags(self.root, "other", "--max_steps", 7)))
        self.assertEqual(first.returncode, 0, first.stderr)
        second = run([str(BIN / "ipirm-train"), *flags(self.root, "other", "--resume")])
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertTrue((self.folder("other") / "model_2.pt").exists())

    def test_an_interrupt_of_one_rank_stops_all(self):
        ranks = start_ranks(2, lambda rank: flags(self.root, "stopped", "--epochs", 200))
        metrics = self.folder("stopped") / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (metrics.exists() and '"step"' in metrics.read_text()):
            time.sleep(.05)
        ranks[1].send_signal(signal.SIGUSR1)
        for rank, process in enumerate(ranks):
            error = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 130, (rank, error))
        self.assertTrue((self.folder("stopped") / "state.pt").exists())

    def test_a_killed_rank_ends_the_others_with_its_name(self):
        ranks = start_ranks(3, lambda rank: flags(self.root, "lost", "--epochs", 200, "--batch_size", 96))
        metrics = self.folder("lost") / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (metrics.exists() and '"step"' in metrics.read_text()):
            time.sleep(.05)
        ranks[1].kill()
        for rank in (0, 2):
            error = ranks[rank].communicate(timeout=60)[1]
            self.assertEqual(ranks[rank].returncode, 1, error)
            self.assertIn("a process of this run is gone: ", error)
        ranks[1].communicate()

    def test_killed_at_random_moments_torchrun_finishes_to_the_same_bits(self):
        rng = random.Random(5)
        for number in range(3):
            name = f"killed{number}"
            process = subprocess.Popen(torchrun(2, flags(self.root, name, "--resume", "--save_minutes", .002), restarts=2), env=ENV,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            metrics, wanted = self.folder(name) / "metrics.jsonl", rng.randint(1, 20)
            while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= wanted):
                time.sleep(.01)
            children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True).stdout.split()
            if children:
                os.kill(int(rng.choice(children)), signal.SIGKILL)
            error = process.communicate(timeout=200)[1]
            self.assertEqual(process.returncode, 0, error)
            self.assertEqual(outcome(self.folder(name)), self.two)

    def refused(self, words_of, word, programs=(BIN / "ipirm-train", BIN / "ipirm-train")):
        port = str(free_port())
        ranks = [subprocess.Popen([str(programs[rank]), *words_of(rank)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=dict(ENV, RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port))
                 for rank in range(2)]
        for process in ranks:
            error = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 2, error)
            self.assertIn(f"rank 1 has other {word} than rank 0", error)

    def test_what_differs_is_refused_before_the_first_step(self):
        self.refused(lambda rank: flags(self.root, "differs", "--lr", .5 if rank else .25), "settings")
        other = self.root / "ipirm-train"
        other.write_bytes((BIN / "ipirm-train").read_bytes() + b"another build")
        other.chmod(0o755)
        self.refused(lambda rank: flags(self.root, "differs"), "builds", (BIN / "ipirm-train", other))
        for folder in ("data0", "data1"):
            subprocess.run([sys.executable, "scripts/make_small_folder.py", str(self.root / folder)], check=True, capture_output=True)
        next(iter(sorted((self.root / "data1" / "train").rglob("*.*")))).unlink()
        self.refused(lambda rank: flags(self.root, "differs", "--dataset", "Folder", "--data_root", self.root / f"data{rank}",
                                        "--batch_size", 8), "data")
        self.assertFalse((self.folder("differs") / "metrics.jsonl").exists())

    def test_a_batch_that_does_not_divide_is_refused(self):
        refused = run(torchrun(2, flags(self.root, "odd", "--batch_size", 127)))
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("--batch_size 128", refused.stderr)


if __name__ == "__main__":
    unittest.main()
