# SIGKILL at 20 random moments, also at start-up, inside searches and saves: the resumed run ends as one that was never stopped.
"""Standard library alone. Weights, partitions and text files must be the same to the byte, metric lines and TensorBoard's events but for
times: no step twice, none lost.
Moments are counted in what a run has written, not in seconds: they stay where they are beside other load."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import event_files  # noqa: E402
import small_run  # noqa: E402
from small_run import written  # noqa: E402

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
ENV = dict(os.environ, OMP_NUM_THREADS="1")
KILLS = 20
MOMENTS = ("step", "search", "save", "start")  # the last: before anything is written, or while a state is taken up again


def command(root, name, *more):
    return small_run.command(BIN / "ipirm-train", root, name, "--tensorboard", *more)


def outcome(folder):
    """The files of the run, its metric lines, and what it has told TensorBoard but its settings, which hold the run's name."""
    files, events = small_run.outcome(folder)
    return files, events, [event for event in event_files.of_folder(folder) if event[1] != "settings"]


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        whole = subprocess.run(command(cls.root, "whole"), env=ENV, capture_output=True, text=True, timeout=300)
        assert whole.returncode == 0, whole.stderr
        cls.expected = outcome(cls.root / "ColoredDigits" / "whole")

    def live(self, name, how, rng):
        """Starts or resumes a run; kills it at the moment that `how` says. True when it ended by itself."""
        folder = self.root / "ColoredDigits" / name
        word = '"maximize_pass"' if how == "search" else '"event"'
        before, more = written(folder, word), rng.randint(1, 5 if how == "search" else 10)
        saving = [folder / "state_next.pt", folder / "state_next.pt.tmp"]
        process = subprocess.Popen(command(self.root, name, "--resume"), env=ENV, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        start = time.monotonic()
        if how == "start":
            time.sleep(rng.uniform(.05, .6))
        while process.poll() is None:
            there = how == "start" or written(folder, word) >= before + more
            if (there and (how != "save" or any(map(os.path.exists, saving)))) or time.monotonic() - start > 60:
                time.sleep(rng.uniform(0, .1) if how == "step" else 0)
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(.0005 if there else .005)
        error = process.communicate(timeout=120)[1]
        self.assertIn(process.returncode, (0, -signal.SIGKILL), error)
        return process.returncode == 0

    def test_a_killed_run_ends_like_one_that_was_not(self):
        rng = random.Random(7)
        kills, run, made = 0, 0, dict.fromkeys(MOMENTS, 0)
        while kills < KILLS:
            how = MOMENTS[kills % len(MOMENTS)]
            if self.live(f"cut{run}", how, rng):
                self.assertEqual(outcome(self.root / "ColoredDigits" / f"cut{run}"), self.expected)
                run += 1
            else:
                kills += 1
                made[how] += 1
        last = subprocess.run(command(self.root, f"cut{run}", "--resume"), env=ENV, capture_output=True, text=True, timeout=300)
        self.assertEqual(last.returncode, 0, last.stderr)
        self.assertEqual(outcome(self.root / "ColoredDigits" / f"cut{run}"), self.expected)
        print(f"killed {made}, {run + 1} runs ended as undisturbed")

    def test_a_damaged_newest_state_gives_way_to_the_one_before(self):
        folder = self.root / "ColoredDigits" / "damaged"
        cut = subprocess.run(command(self.root, "damaged", "--max_steps", 15), env=ENV, capture_output=True, text=True, timeout=300)
        self.assertEqual(cut.returncode, 0, cut.stderr)
        self.assertTrue((folder / "state_previous.pt").exists())
        state = bytearray((folder / "state.pt").read_bytes())
        state[len(state) // 2] ^= 1
        (folder / "state.pt").write_bytes(state)
        resumed = subprocess.run(command(self.root, "damaged", "--resume"), env=ENV, capture_output=True, text=True, timeout=300)
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertIn("state_damaged.pt", resumed.stderr + resumed.stdout)
        files, *events = outcome(folder)
        self.assertEqual((files["model_3.pt"], events), (self.expected[0]["model_3.pt"], list(self.expected[1:])))


if __name__ == "__main__":
    unittest.main()
