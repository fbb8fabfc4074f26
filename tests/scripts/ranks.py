# Small runs of ipirm-train in several processes: how they are started, watched and killed, for the tests of several processes.
import atexit
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
STARTERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_", "SLURM_", "OMPI_", "TORCHELASTIC_")
ENV = dict({key: value for key, value in os.environ.items() if not key.startswith(STARTERS)}, OMP_NUM_THREADS="1")


def require_torchrun():
    """Ends a test, as skipped, where no PyTorch brings torchrun."""
    try:
        import torch  # noqa: F401
    except ImportError:
        print("skipped: no PyTorch here, whose torchrun starts the processes")
        sys.exit(77)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def make_data(root):
    """48 pictures that flags() trains on."""
    subprocess.run([sys.executable, "scripts/make_small_folder.py", str(root / "data")], check=True, capture_output=True)


def flags(root, name, *more):
    """Four epochs of 6 steps on the pictures in root/data, with a search, an evaluation and a save after each."""
    return [str(word) for word in (
        "--dataset", "Folder", "--data_root", root / "data", "--image_size", 0, "--arch", "resnet18", "--width", 16, "--feature_dim", 8,
        "--batch_size", 8, "--crop_size", 8, "--epochs", 4, "--workers", 1, "--device", "cpu", "--offline", "--random_init",
        "--retain_group", "--maximize_passes", 4, "--maximize_batch", 20, "--maximize_iter", 1, "--log_every", 2, "--eval_every", 1,
        "--save_every", 1, "--results_root", root, "--name", name, "--log_level", "warning", "--dist_timeout", 1, *more)]


class Runs(unittest.TestCase):
    """Tests of such runs in a folder of their own."""
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.root = pathlib.Path(holder.name)
        make_data(cls.root)

    @classmethod
    def folder(cls, name):
        return cls.root / "Folder" / name


def torchrun(processes, words, restarts=0):
    """The command that starts ipirm-train in so many processes."""
    return [sys.executable, "-m", "torch.distributed.run", "--no-python", "--nproc_per_node", str(processes), "--max_restarts",
            str(restarts), "--master_addr", "127.0.0.1", "--master_port", str(free_port()), "--monitor_interval", ".1",
            str(BIN / "ipirm-train"), *words]


def run(command, env=ENV, timeout=300):
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)


def torchrun_variables(rank, size, host, port):
    return {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank), "MASTER_ADDR": host, "MASTER_PORT": str(port)}


def srun_variables(rank, size, host, port):
    return {"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": str(size), "SLURM_LOCALID": str(rank), "SLURM_JOB_ID": "7",
            "MASTER_ADDR": host, "MASTER_PORT": str(port)}


def mpirun_variables(rank, size, host, port):
    return {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": str(size), "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
            "MASTER_ADDR": host, "MASTER_PORT": str(port)}


def start_one(command, **variables):
    """A process with these variables beside ENV, which ends with the test at the latest."""
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(ENV, **variables))
    atexit.register(process.kill)
    return process


def start_ranks(size, words_of, variables=torchrun_variables, program_of=lambda rank: BIN / "ipirm-train"):
    """Processes with a starter's variables and no starter: rank 0 keeps the store."""
    port = free_port()
    return [start_one([str(program_of(rank)), *words_of(rank)], **variables(rank, size, "127.0.0.1", port)) for rank in range(size)]


def wait_for(is_there, seconds=60, between=.01):
    """Whether it came about in time."""
    end = time.monotonic() + seconds
    while not (there := is_there()) and time.monotonic() < end:
        time.sleep(between)
    return there
