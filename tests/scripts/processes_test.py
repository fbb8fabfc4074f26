# torchrun starts several processes of ipirm-train: the same bits as without it for one, the same numbers for several with --sync_bn; what is refused.
"""Needs PyTorch for torchrun; skipped without it."""
import pathlib
import shutil
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import ranks  # noqa: E402
from ranks import BIN, flags, run, start_ranks, torchrun  # noqa: E402
from small_run import outcome, written  # noqa: E402

ranks.require_torchrun()


class Processes(ranks.Runs):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        two = run(torchrun(2, flags(cls.root, "two")))
        assert two.returncode == 0, two.stderr
        cls.two = outcome(cls.folder("two"))

    def expect_done(self, processes):
        for rank, process in enumerate(processes):
            error = process.communicate(timeout=120)[1]
            self.assertEqual(process.returncode, 0, (rank, error))

    def test_one_process_under_torchrun_is_one_without_it(self):
        mixed = ("--mixup", "--mixup_max", "--keep_cont")
        started = run(torchrun(1, flags(self.root, "one")))
        self.assertEqual(started.returncode, 0, started.stderr)
        self.expect_done(start_ranks(1, lambda rank: flags(self.root, "one_mixed", *mixed)))
        for name, more in (("one", ()), ("one_mixed", mixed)):
            alone = run([str(BIN / "ipirm-train"), *flags(self.root, name + "_alone", *more)])
            self.assertEqual(alone.returncode, 0, alone.stderr)
            self.assertEqual(outcome(self.folder(name)), outcome(self.folder(name + "_alone")))

    def test_a_synchronised_step_is_that_of_one_process(self):
        """One step: afterwards float32 runs part (src/dist/README.md). tests/train/processes*_test.cpp follow several."""
        def first_step(name):
            return next(event for event in outcome(self.folder(name))[1] if event["event"] == "step")

        words = ("--crop_size", 16, "--batch_size", 16, "--max_steps", 1, "--sync_bn", "--partition_source", "random")
        for size in (1, 2, 4):
            self.expect_done(start_ranks(size, lambda rank: flags(self.root, f"near{size}", *words)))
            found, expected = first_step(f"near{size}"), first_step("near1")
            for term in ("loss", "contrastive", "penalty"):
                self.assertLess(abs(found[term] - expected[term]), 1e-5 * expected["loss"], (size, found, expected))

    def test_every_starter_gives_the_same_bits(self):
        for variables in (ranks.torchrun_variables, ranks.srun_variables, ranks.mpirun_variables):
            name = variables.__name__
            self.expect_done(start_ranks(2, lambda rank: flags(self.root, name), variables))
            self.assertEqual(outcome(self.folder(name)), self.two, name)

    def test_a_run_goes_on_with_as_many_or_other_processes(self):
        for more in (("--max_steps", 7), ("--resume",)):
            self.expect_done(start_ranks(2, lambda rank: flags(self.root, "cut", *more)))
        files, events = outcome(self.folder("cut"))
        files.pop("model_2.pt")  # (that of --max_steps is written at another moment)
        expected = dict(self.two[0])
        expected.pop("model_2.pt")
        self.assertEqual(files, expected)
        self.assertEqual(events, self.two[1])
        self.expect_done(start_ranks(4, lambda rank: flags(self.root, "other", "--max_steps", 7)))
        second = run([str(BIN / "ipirm-train"), *flags(self.root, "other", "--resume")])
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertTrue((self.folder("other") / "model_4.pt").exists())

    def test_an_interrupt_of_one_rank_stops_all(self):
        processes = start_ranks(2, lambda rank: flags(self.root, "stopped", "--epochs", 200))
        self.assertTrue(ranks.wait_for(lambda: written(self.folder("stopped"), '"step"')))
        processes[1].send_signal(signal.SIGUSR1)
        for rank, process in enumerate(processes):
            error = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 130, (rank, error))
        self.assertTrue((self.folder("stopped") / "state.pt").exists())

    def refused(self, words_of, word, programs=(BIN / "ipirm-train", BIN / "ipirm-train")):
        for process in start_ranks(2, words_of, program_of=lambda rank: programs[rank]):
            error = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 2, error)
            self.assertIn(f"rank 1 has other {word} than rank 0", error)

    def test_what_differs_is_refused_before_the_first_step(self):
        self.refused(lambda rank: flags(self.root, "differs", "--lr", .5 if rank else .25), "settings")
        other = self.root / "ipirm-train"
        other.write_bytes((BIN / "ipirm-train").read_bytes() + b"another build")
        other.chmod(0o755)
        self.refused(lambda rank: flags(self.root, "differs"), "builds", (BIN / "ipirm-train", other))
        shutil.copytree(self.root / "data", self.root / "data1")
        next(iter(sorted((self.root / "data1" / "train").rglob("*.bmp")))).unlink()
        self.refused(lambda rank: flags(self.root, "differs", "--data_root", self.root / ("data1" if rank else "data")), "data")
        self.assertFalse((self.folder("differs") / "metrics.jsonl").exists())

    def test_a_batch_that_does_not_divide_is_refused(self):
        for process in start_ranks(2, lambda rank: flags(self.root, "odd", "--batch_size", 9)):
            error = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 2, error)
            self.assertIn("--batch_size 10", error)


if __name__ == "__main__":
    unittest.main()
