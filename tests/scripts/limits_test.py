# Signals as shells, terminals and batch systems send them, and limits of the machine: nothing saved is lost.
"""Standard library alone. Each limit ends with exit 2 and one line, and the run goes on when the limit is gone."""
import json
import os
import pathlib
import pty
import resource
import signal
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).absolute()
REPOSITORY = pathlib.Path(__file__).absolute().parents[2]
ENV = dict(os.environ, OMP_NUM_THREADS="1")
NUM_TRAIN, NUM_TEST, EPOCHS = 96, 32, 3
SMALL = ("--arch", "resnet18", "--width", 16, "--batch_size", 16, "--workers", 1)


def train(root, name, *more):
    return [str(word) for word in (
        BIN / "ipirm-train", "--dataset", "CIFAR100", "--data_root", root / "data", *SMALL, "--feature_dim", 8, "--device", "cpu",
        "--offline", "--maximize_passes", 2, "--log_every", 1, "--eval_every", 9, "--epochs", EPOCHS, "--results_root", root,
        "--name", name, *more)]


def write_cifar100(root):
    folder = root / "data" / "cifar-100-binary"
    folder.mkdir(parents=True)
    for name, count in (("train", NUM_TRAIN), ("test", NUM_TEST)):
        (folder / f"{name}.bin").write_bytes(
            b"".join(bytes((i % 20, i % 100)) + bytes((i * 7 + k) % 256 for k in range(3072)) for i in range(count)))


def num_steps(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().count('"event":"step"') if path.exists() else 0


def wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(.01)


def ignoring(*numbers):
    def prepare():
        os.setsid()
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
    return prepare


class Run(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.holder.name)
        self.folder = self.root / "CIFAR100" / "x"
        write_cifar100(self.root)

    def tearDown(self):
        self.holder.cleanup()

    def start(self, command, **more):
        return subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def resume(self, *more):
        done = subprocess.run(train(self.root, "x", "--resume", *more), env=ENV, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.folder / f"model_{EPOCHS}.pt").exists())
        return done.stdout


class Signals(Run):
    def test_nohup_and_background_jobs_run_on(self):
        """What nohup and a shell's `&` ignore stays ignored, in each of the programs of a recipe."""
        script = REPOSITORY / "runsh" / "IPIRM_CIFAR100_400epoch.sh"
        env = dict(ENV, BIN=str(BIN), DATA_ROOT=str(self.root / "data"), RESULTS_ROOT=str(self.root), NAME="x", DEVICE="cpu",
                   DOWNSTREAM_ROOT=str(self.root / "downstream"), LINEAR_ARGS="--epochs 1 --batch_size 16")
        process = subprocess.Popen(
            [str(script), *map(str, SMALL), "--feature_dim", "8", "--epochs", "2", "--log_every", "1"],
            env=env, preexec_fn=ignoring(signal.SIGHUP, signal.SIGINT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        folder = self.root / "CIFAR100" / "x"
        wait_for(lambda: num_steps(folder) > 1, process)
        for number in (signal.SIGHUP, signal.SIGINT):
            os.killpg(process.pid, number)
        wait_for(lambda: (self.root / "downstream" / "CIFAR100" / "x" / "result.txt").exists(), process)
        for number in (signal.SIGHUP, signal.SIGINT):
            os.killpg(process.pid, number)
        out, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertTrue((folder / "model_2.pt").exists())
        self.assertEqual(len((self.root / "downstream" / "CIFAR100" / "x" / "result.txt").read_text().splitlines()), 1)

    def test_a_partition_tool_under_nohup_runs_on(self):
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3000, 2), }"
        header += b" " * (117 - len(header)) + b"\n"
        rows = __import__("array").array("f", [v for i in range(3000) for v in ((1, 0) if i % 2 else (0, 1))])
        for name in ("a", "b"):
            (self.root / f"{name}.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + header + rows.tobytes())
        process = self.start([BIN / "ipirm-partition", "--view1", self.root / "a.npy", "--view2", self.root / "b.npy",
                              "--out", self.root / "p.npy", "--device", "cpu"], preexec_fn=ignoring(signal.SIGHUP))
        time.sleep(.5)
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertTrue((self.root / "p.npy").exists())

    def test_sigusr1_saves_and_stops(self):
        process = self.start(train(self.root, "x"))
        wait_for(lambda: num_steps(self.folder) > 1, process)
        process.send_signal(signal.SIGUSR1)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertIn("the state is saved", out)
        self.resume()

    def test_a_closed_terminal_saves_and_stops(self):
        """The shell sends SIGHUP, the kernel another one, and nothing can be written to the terminal any more."""
        child, terminal = pty.fork()
        if child == 0:
            os.execve(str(BIN / "ipirm-train"), train(self.root, "x"), ENV)
        deadline = time.monotonic() + 120
        os.set_blocking(terminal, False)
        while num_steps(self.folder) < 2 and time.monotonic() < deadline:
            try:
                os.read(terminal, 65536)
            except BlockingIOError:
                time.sleep(.01)
        os.kill(child, signal.SIGHUP)
        os.close(terminal)
        os.kill(child, signal.SIGHUP)
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 130)
        self.assertTrue((self.folder / "state.pt").exists())
        self.resume()


class Limits(Run):
    def limited(self, kind, value, *more, user=None, closed=()):
        def prepare():
            resource.setrlimit(kind, (value, value))
            if user:
                os.setgid(user)
                os.setuid(user)
        return subprocess.run(train(self.root, "x", *more), env=dict(ENV, OMP_NUM_THREADS="2"), capture_output=True, text=True,
                              timeout=300, preexec_fn=prepare)

    def expect_one_line(self, done, *words):
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertLess(len(lines[0]), 500)
        for word in words:
            self.assertIn(word, lines[0])

    def test_no_memory_left(self):
        subprocess.run(train(self.root, "x", "--max_steps", "2"), env=ENV, check=True, capture_output=True)
        state = (self.folder / "state.pt").read_bytes()
        num_refused = 0
        for megabytes in range(680, 1000, 60):  # LibTorch itself takes about 600
            done = self.limited(resource.RLIMIT_AS, megabytes << 20, "--resume", "--max_steps", "3", "--batch_size", "16")
            if done.returncode == 0:
                break
            num_refused += 1
            self.expect_one_line(done, "memory")
            self.assertEqual((self.folder / "state.pt").read_bytes(), state)
        self.assertGreater(num_refused, 0)
        self.resume()

    def test_no_more_threads(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, which may become a user without processes")
        self.root.chmod(0o777)
        self.expect_one_line(self.limited(resource.RLIMIT_NPROC, 2, "--workers", "4", user=65534), "thread", "--workers", "ulimit -u")
        self.assertFalse(self.folder.exists())

    def test_a_file_that_may_not_grow(self):
        done = self.limited(resource.RLIMIT_FSIZE, 40000)
        self.expect_one_line(done, "File too large", "ulimit -f")
        self.assertEqual([path for path in self.folder.iterdir() if path.suffix == ".tmp"], [])
        self.resume()

    def test_no_more_descriptors(self):
        self.expect_one_line(self.limited(resource.RLIMIT_NOFILE, 8), "Too many open files", "ulimit -n")
        self.resume()

    def test_closed_descriptors(self):
        """Log lines of a program without stdout and stderr land in none of its files."""
        command = " ".join(train(self.root, "x"))
        whole = subprocess.run(["sh", "-c", command + " <&- >&- 2>&-"], env=ENV, timeout=300)
        self.assertEqual(whole.returncode, 0)
        for line in (self.folder / "metrics.jsonl").read_text().splitlines():
            json.loads(line)
        self.assertNotIn("ipirm-train", (self.folder / "log.txt").read_text())
        self.assertNotIn("ipirm-train", (self.folder / "config.yaml").read_text().split("\n", 1)[1])


if __name__ == "__main__":
    unittest.main()
