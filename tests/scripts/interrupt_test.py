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
        "--batch_size", 64, "--epochs", 3, "--workers", 2, "--device", "cpu", "--offline", "--maximize_passes", 2,
        "--maximize_iter", 2, "--log_every", 1, "--results_root", root, "--name", name, *more)]


def steps(folder):
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [event["step"] for event in events if event["event"] == "step"]


class Interrupt(unittest.TestCase):
    def stop_and_resume(self, number):
        env = dict(os.environ, OMP_NUM_THREADS="1")
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            whole = subprocess.run(command(root, "whole"), env=env, capture_output=True, text=True, timeout=300)
            self.assertEqual(whole.returncode, 0, whole.stderr)
            folder = root / "ColoredDigits" / "cut"
            process = subprocess.Popen(command(root, "cut"), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True)
            deadline = time.monotonic() + 120
            while len(steps(folder)) < 5 and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(number)
            out, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 130, out + err)
            self.assertIn("stopping after this step", err)
            self.assertIn("--resume", out)
            self.assertTrue((folder / "state.pt").exists())
            resumed = subprocess.run(command(root, "cut", "--resume"), env=env, capture_output=True, text=True, timeout=300)
            self.assertEqual(resumed.returncode, 0, resumed.stderr)
            self.assertEqual(steps(folder), steps(root / "ColoredDigits" / "whole"))
            self.assertEqual((folder / "model_3.pt").read_bytes(),
                             (root / "ColoredDigits" / "whole" / "model_3.pt").read_bytes())

    def test_ctrl_c(self):
        self.stop_and_resume(signal.SIGINT)

    def test_sigterm(self):
        self.stop_and_resume(signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
