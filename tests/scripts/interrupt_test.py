# Ctrl-C and SIGTERM end ipirm-train after the current step with the state saved; --resume goes on to the end.
"""Standard library alone. The resumed run must end with the same weights as one that was never stopped."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))


def command(root, name, *more):
    return [str(word) for word in (
        BIN / "ipirm-train", "--dataset", "ColoredDigits", "--arch", "resnet18", "--width", 16, "--feature_dim", 8,
        "--batch_size", 64, "--crop_size", 8, "--epochs", 2, "--workers", 2, "--device", "cpu", "--offline", "--maximize_passes", 2,
        "--maximize_iter", 1, "--log_every", 1, "--results_root", root, "--name", name, *more)]


def steps(folder):
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [event["step"] for event in events if event["event"] == "step"]


ENV = dict(os.environ, OMP_NUM_THREADS="1")


class Interrupt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.root = pathlib.Path(holder.name)
        whole = subprocess.run(command(cls.root, "whole"), env=ENV, capture_output=True, text=True, timeout=300)
        assert whole.returncode == 0, whole.stderr
        cls.whole = cls.root / "ColoredDigits" / "whole"

    def stop_and_resume(self, number):
        name = f"cut{int(number)}"
        folder = self.root / "ColoredDigits" / name
        process = subprocess.Popen(command(self.root, name), env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while len(steps(folder)) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertIn("stopping after this step", err)
        self.assertIn("--resume", out)
        self.assertTrue((folder / "state.pt").exists())
        resumed = subprocess.run(command(self.root, name, "--resume"), env=ENV, capture_output=True, text=True, timeout=300)
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertEqual(steps(folder), steps(self.whole))
        self.assertEqual((folder / "model_2.pt").read_bytes(), (self.whole / "model_2.pt").read_bytes())

    def test_ctrl_c(self):
        self.stop_and_resume(signal.SIGINT)

    def test_sigterm(self):
        self.stop_and_resume(signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
