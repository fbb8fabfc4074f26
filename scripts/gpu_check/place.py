# Where the checks run: the bundle's folders, the device, programs that are started, and what they need of memory.
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import traceback

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN, LIB = ROOT / "bin", ROOT / "lib"
KERNELS = LIB / "libipirm_cuda.so"
WITHOUT_KERNELS = ("the CUDA kernels don't load", "CUDA computes its operators with ATen")  # what the programs say then
KEPT_OUTPUT = 4000  # characters of a failure's output that go into the report


class Failed(Exception):
    """A part of the check that did not come out as it should: one line, and what was found all the same."""

    def __init__(self, text, figures=None):
        super().__init__(text)
        self.figures = figures


class Skipped(Exception):
    """A part that cannot be made here, with the reason."""


def load_operators(device):
    """torch.ops.ipirm for the device."""
    torch.ops.load_library(LIB / "libipirm_ops.so")
    if device == "cuda" and KERNELS.exists():
        torch.ops.load_library(KERNELS)
    torch.ops.ipirm.set_norm_warning(False)
    return torch.ops.ipirm


def wait_for(device):
    if device == "cuda":
        torch.cuda.synchronize()


def driver_version():
    if shutil.which("nvidia-smi"):
        done = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.split()[0]
    text = pathlib.Path("/proc/driver/nvidia/version")
    found = re.search(r"\b(\d+\.\d+(\.\d+)?)\b", text.read_text(encoding="utf-8")) if text.exists() else None
    return found[1] if found else "unknown"


def describe(device):
    """What stands over the figures: the device, and the software that they depend on."""
    bundle = json.loads((ROOT / "bundle.json").read_text(encoding="utf-8"))
    facts = {"torch": torch.__version__, "commit": bundle["commit"], "cuda_kernels": bundle["cuda_kernels"]}
    if device == "cpu":
        return {"name": f"CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}", **facts}
    gpu = torch.cuda.get_device_properties(0)
    return {"name": gpu.name, "memory_gib": round(gpu.total_memory / 2**30, 1), "capability": f"{gpu.major}.{gpu.minor}",
            "multiprocessors": gpu.multi_processor_count, "driver": driver_version(), "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), **facts}


class PeakMemory:
    """Looks every 20 ms what a process takes: on the GPU all that is taken there while it runs (its context too; of a GPU that nobody
    else uses), on the CPU its resident memory. MiB."""

    def __init__(self, device, pid):
        self.device, self.pid, self.peak, self.done = device, pid, 0., threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def taken(self):
        if self.device == "cuda":
            free, total = torch.cuda.mem_get_info(0)
            return (total - free) / 2**20
        try:
            status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return 0.
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.

    def watch(self):
        while not self.done.wait(.02):
            self.peak = max(self.peak, self.taken())

    def __enter__(self):
        self.before = self.taken() if self.device == "cuda" else 0.
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def mib(self):
        return max(0., self.peak - self.before)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(nothing was printed)"


def error_line(text):
    """The line of a program's output that says what went wrong: CUDA's errors go on for lines of advice."""
    named = [line for line in text.splitlines() if re.match(r"error: |([\w.]*(Error|Exception)): ", line)]
    return last_line(named[-1] if named else text)


def reason_of(error):
    """(one line, everything that may help) about an exception."""
    if isinstance(error, (Failed, Skipped)):
        return str(error), None
    lines = str(error).strip().splitlines() or ["no reason given"]
    return f"{type(error).__name__}: {lines[0]}", "".join(traceback.format_exception(error))[-KEPT_OUTPUT:]


def run(command, device="cpu", timeout=600, env=None):
    """Runs a program to its end: (what it printed, peak memory in MiB, seconds). Failed, with its last line, where it fails."""
    command = [str(word) for word in command]
    program = pathlib.Path(command[1] if command[0] == sys.executable else command[0]).name
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, **(env or {}))) as process:
        with PeakMemory(device, process.pid) as memory:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise Failed(f"{program} did not end within {timeout} s") from None
    seconds = time.perf_counter() - start
    output = {"output": (out + err)[-KEPT_OUTPUT:]}
    unused = next((line for line in err.splitlines() if any(words in line for words in WITHOUT_KERNELS)), None)
    if unused and KERNELS.exists():
        raise Failed(f"{program} does not use libipirm_cuda.so: {unused}", output)
    if process.returncode != 0:
        raise Failed(f"{program} ended with {process.returncode}: {error_line(err or out)}", output)
    return out, memory.mib(), seconds


def events(path):
    """The lines of a metrics.jsonl."""
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]
