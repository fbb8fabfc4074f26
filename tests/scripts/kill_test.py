# SIGKILL at 20 random moments, also inside searches and saves: the resumed run ends as one that was never stopped.
"""Standard library alone. Weights, partitions and text files must be the same to the byte, metric lines but for times."""
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
ENV = dict(os.environ, OMP_NUM_THREADS="1")
KILLS = 20
TIMES = ("seconds", "samples_per_second")


def command(root, name, *more):
    return [str(word) for word in (
        BIN / "ipirm-train", "--dataset", "ColoredDigits", "--arch", "resnet18", "--width", 16, "--feature_dim", 8,
        "--batch_size", 128, "--epochs", 3, "--workers", 1, "--device", "cpu", "--offline", "--random_init", "--retain_group",
        "--maximize_passes", 8, "--maximize_batch", 300, "--maximize_iter", 1, "--log_every", 2, "--eval_every", 2,
        "--save_every", 2, "--save_minutes", .002, "--results_root", root, "--name", name, "--log_level", "warning", *more)]


def outcome(folder):
    """All that a run leaves but its state, times left out."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()
             if path.name.startswith(("model_", "GroupResults_")) or path.name in ("log.txt", "knn_result.txt")}
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return files, [{key: value for key, value in event.items() if key not in TIMES} for event in events]


def passes(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().count('"maximize_pass"') if path.exists() else 0


class Kill(unittest.TestCase):
    def live(self, root, name, how, rng):
        """Starts or resumes a run; kills it at the moment that `how` says. True when it ended by itself."""
        folder = root / "ColoredDigits" / name
        before = passes(folder)
        process = subprocess.Popen(command(root, name, "--resume"), env=ENV, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        wait, start = rng.uniform(.8, 2.0), time.monotonic()
        while process.poll() is None:
            late = time.monotonic() - start > wait
            in_search = passes(folder) > before if how == "search" else False
            in_save = how == "save" and late and any(folder.glob("state_next.pt*"))
            if in_search or in_save or (late and how == "time") or time.monotonic() - start > 60:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(.0005 if how == "save" else .01)
        error = process.communicate(timeout=120)[1]
        self.assertIn(process.returncode, (0, -signal.SIGKILL), error)
        return process.returncode == 0

    def test_a_killed_run_ends_like_one_that_was_not(self):
        rng = random.Random(7)
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            whole = subprocess.run(command(root, "whole"), env=ENV, capture_output=True, text=True, timeout=300)
            self.assertEqual(whole.returncode, 0, whole.stderr)
            expected = outcome(root / "ColoredDigits" / "whole")
            kills, run, made = 0, 0, {"time": 0, "search": 0, "save": 0}
            while kills < KILLS:
                how = ("time", "search", "save")[kills % 3]
                if self.live(root, f"cut{run}", how, rng):
                    self.assertEqual(outcome(root / "ColoredDigits" / f"cut{run}"), expected)
                    run += 1
                else:
                    kills += 1
                    made[how] += 1
            last = subprocess.run(command(root, f"cut{run}", "--resume"), env=ENV, capture_output=True, text=True, timeout=300)
            self.assertEqual(last.returncode, 0, last.stderr)
            self.assertEqual(outcome(root / "ColoredDigits" / f"cut{run}"), expected)
            print(f"killed {made}, {run + 1} runs ended as undisturbed")

    def test_a_damaged_newest_state_gives_way_to_the_one_before(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            whole = subprocess.run(command(root, "whole"), env=ENV, capture_output=True, text=True, timeout=300)
            self.assertEqual(whole.returncode, 0, whole.stderr)
            folder = root / "ColoredDigits" / "cut"
            cut = subprocess.run(command(root, "cut", "--max_steps", 15), env=ENV, capture_output=True, text=True, timeout=300)
            self.assertEqual(cut.returncode, 0, cut.stderr)
            self.assertTrue((folder / "state_previous.pt").exists())
            state = bytearray((folder / "state.pt").read_bytes())
            state[len(state) // 2] ^= 1
            (folder / "state.pt").write_bytes(state)
            resumed = subprocess.run(command(root, "cut", "--resume"), env=ENV, capture_output=True, text=True, timeout=300)
            self.assertEqual(resumed.returncode, 0, resumed.stderr)
            self.assertIn("state_damaged.pt", resumed.stderr + resumed.stdout)
            files, events = outcome(folder)
            files.pop("model_2.pt", None)  # (that of --max_steps is written again)
            expected_files, expected_events = outcome(root / "ColoredDigits" / "whole")
            expected_files.pop("model_2.pt", None)
            self.assertEqual((files["model_3.pt"], events), (expected_files["model_3.pt"], expected_events))


if __name__ == "__main__":
    unittest.main()
