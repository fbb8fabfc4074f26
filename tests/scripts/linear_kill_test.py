# Kills and signals end ipirm-linear at any moment; --resume ends as an evaluation that was never stopped, to the byte.
"""Standard library alone."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
ENV = dict(os.environ, OMP_NUM_THREADS="1")
EPOCHS = 4
DATA = ("--dataset", "ColoredDigits", "--workers", 1, "--device", "cpu")
FILES = ("result.txt", "metrics.jsonl", "linear_state.pt")


def run(words, **options):
    return subprocess.run([str(word) for word in words], env=ENV, capture_output=True, text=True, timeout=300, **options)


class LinearKill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        trained = run((BIN / "ipirm-train", *DATA, "--baseline", "--arch", "resnet18", "--width", 16, "--feature_dim", 8, "--batch_size", 256,
                       "--crop_size", 8, "--max_steps", 1, "--epochs", 1, "--eval_every", 9, "--results_root", cls.root, "--name", "m"))
        assert trained.returncode == 0, trained.stderr
        whole = run(cls.command("whole"))
        assert whole.returncode == 0, whole.stderr

    @classmethod
    def command(cls, name):
        return [str(word) for word in (
            BIN / "ipirm-linear", "--model_path", cls.root / "ColoredDigits" / "m" / "model_1.pt", *DATA, "--downstream_root", cls.root,
            "--name", name, "--epochs", EPOCHS, "--batch_size", 256, "--crop_size", 8, "--resume")]

    def folder(self, name):
        return self.root / "ColoredDigits" / name

    def lines(self, name):
        path = self.folder(name) / "metrics.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    def stop(self, name, number, ready):
        """Starts or goes on, and sends the signal once ready() holds. The exit code and what was said."""
        process = subprocess.Popen(self.command(name), env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        start = time.monotonic()
        while process.poll() is None and not ready() and time.monotonic() - start < 60:
            time.sleep(.001)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def finish(self, name):
        last = run(self.command(name))
        self.assertEqual(last.returncode, 0, last.stderr)
        for file in FILES:
            self.assertEqual((self.folder(name) / file).read_bytes(), (self.folder("whole") / file).read_bytes(), file)
        self.assertEqual(list(self.folder(name).glob("*.tmp")), [])

    def test_killed_in_an_epoch_and_in_a_save(self):
        folder = self.folder("cut")
        moments = (lambda: self.lines("cut") > 0,  # written, but the state perhaps not
                   lambda: any(folder.glob("linear_state_next.pt*")),
                   lambda: self.lines("cut") == 4)
        for ready in moments:
            code, _, err = self.stop("cut", signal.SIGKILL, ready)
            self.assertEqual(code, -signal.SIGKILL, err)
        self.finish("cut")
        again = run(self.command("cut"))
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(f"nothing to do: {EPOCHS} of {EPOCHS} epochs are done", again.stdout)

    def test_signals_keep_the_last_whole_epoch(self):
        state = self.folder("signal") / "linear_state.pt"
        for number in (signal.SIGINT, signal.SIGTERM):
            before = state.stat().st_mtime_ns if state.exists() else 0
            code, out, err = self.stop("signal", number, lambda: state.exists() and state.stat().st_mtime_ns > before)
            self.assertEqual(code, 130, err)
            self.assertIn("the state of the last whole epoch is kept: go on with --resume", out)
        self.finish("signal")


if __name__ == "__main__":
    unittest.main()
