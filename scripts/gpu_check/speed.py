# Times the program and the operators beside eager PyTorch and torch.compile: training steps, a search, each operator.
import json
import os
import pathlib
import shutil
import statistics
import sys
import sysconfig
import tempfile
import time

import torch
import torch.utils._triton

from place import BIN, Failed, Skipped, events, last_line, load_operators, reason_of, run, wait_for
from plain_ops import closed_partition_risk, eager_environment_loss, eager_partition_risk, unit
from plain_training import write_cifar10, write_npy

PASSES = 61
HERE = pathlib.Path(__file__).parent
# What is measured, in full and by --short, which is to show that everything runs.
FULL = {"arch": "resnet50", "width": 64, "batch_size": 256, "partitions": (1, 8), "images": 10240, "warm_up": 8, "steps": 20,
        "samples": 105000, "search_batch": 3096, "search_passes": PASSES, "risk": 3096, "loss_batch": 256, "loss_partitions": 14, "calls": 20, "rounds": 3}
SHORT = {"arch": "resnet18", "width": 16, "batch_size": 8, "partitions": (1, 2), "images": 80, "warm_up": 1, "steps": 1,
         "samples": 400, "search_batch": 200, "search_passes": 3, "risk": 100, "loss_batch": 32, "loss_partitions": 3, "calls": 2, "rounds": 1}
LOG_EVERY = 10  # steps between the program's readings of its clock
TARGETS = {"step": 18e-3, "partition_risk": .35e-3, "search": 1., "environment_loss": .1e-3}  # of an H100


class Table:
    """Rows for the report: (group, who, seconds, MiB, remark). The first row of a group is this program's, with the group's target."""

    def __init__(self, with_targets):
        self.rows, self.failures, self.with_targets = [], [], with_targets

    def add(self, group, who, seconds, mib, remark="", target=None):
        target = target if self.with_targets else None
        self.rows.append({"group": group, "who": who, "seconds": seconds, "mib": mib, "remark": remark, "target": target})

    def attempt(self, group, who, measure):
        """Adds what measure() -> {"seconds", "mib"} says; a row with the reason where it fails. It is no fault of this program where
        torch.compile does."""
        try:
            self.add(group, who, **measure())
        except Exception as error:  # torch.compile and CUDA raise all kinds: the others still count
            reason, trace = reason_of(error)
            self.add(group, who, None, None, f"not run: {reason}")
            self.rows[-1]["trace"] = trace or getattr(error, "figures", None)
            if not isinstance(error, Skipped) and not who.startswith("torch.compile"):
                self.failures.append(f"{group}, {who}: {reason}")


def compiler(device, short):
    """torch.compile's backend; by --short the one that traces and compiles nothing. Skipped where it can't work."""
    if short:
        return "eager"
    if not any(shutil.which(name) for name in (os.environ.get("CC", "cc"), "gcc", "clang")):
        raise Skipped("there is no C compiler")
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
        raise Skipped("this Python has no Python.h")
    if device == "cuda" and not torch.utils._triton.has_triton():
        raise Skipped("Triton does not work with this GPU")
    return "inductor"


def compile_name(short):
    return "torch.compile (traced alone, by --short)" if short else "torch.compile"


# --- Training steps ----------------------------------------------------------------------------------------------------
def program_steps(size, device, precision):
    """Seconds a step by number of partitions, MiB: training with augmentation and loading, a partition more each epoch."""
    steps_per_epoch = size["images"] // size["batch_size"]
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        write_cifar10(root, torch.randint(0, 256, (size["images"], 3, 32, 32), dtype=torch.uint8), torch.zeros(size["images"], dtype=torch.uint8))
        command = [BIN / "ipirm-train", "--dataset", "CIFAR10", "--data_root", root, "--results_root", root, "--name", "speed",
                   "--arch", size["arch"], "--width", size["width"], "--batch_size", size["batch_size"], "--epochs", max(size["partitions"]),
                   "--partition_source", "random", "--maximize_iter", 1, "--retain_group", "--keep_cont", "--device", device,
                   "--precision", precision, "--eval_every", 1000, "--save_every", 1000, "--save_minutes", 0, "--log_every", LOG_EVERY]
        mib = run(command, device, timeout=900)[1]
        lines = [event for event in events(root / "CIFAR10" / "speed" / "metrics.jsonl") if event["event"] == "step"]
    seconds = {}
    for partitions in size["partitions"]:
        last = lines[partitions * steps_per_epoch - LOG_EVERY:partitions * steps_per_epoch]  # of the epoch: its start is behind it
        seconds[partitions] = statistics.median(event["seconds"] for event in last)
    return seconds, mib


def plain_steps(size, device, bf16, backend=None):
    command = [sys.executable, HERE / "plain_steps.py", "--device", device, "--arch", size["arch"], "--width", size["width"],
               "--batch_size", size["batch_size"], "--partitions", *size["partitions"], "--warm_up", size["warm_up"], "--steps", size["steps"],
               "--rounds", size["rounds"]]
    command += (["--bf16"] if bf16 else []) + (["--compile", backend] if backend else [])
    out, mib, _ = run(command, device, timeout=900)
    return {int(p): seconds for p, seconds in json.loads(last_line(out)).items()}, mib


def time_steps(table, size, device, short):
    bf16 = device == "cuda"
    precision = "bf16" if bf16 else "fp32"
    who = {f"ipirm-train, {precision}, with loading": lambda: program_steps(size, device, precision),
           f"eager PyTorch, {precision}": lambda: plain_steps(size, device, bf16),
           f"{compile_name(short)}, {precision}": lambda: plain_steps(size, device, bf16, compiler(device, short))}
    for name, measure in who.items():
        results = {}

        def figure(partitions, measure=measure, results=results):
            if not results:  # one run for all numbers of partitions
                results["error"] = Skipped("failed for another number of partitions")
                results["all"] = measure()
            if "all" not in results:
                raise results["error"]
            seconds, mib = results["all"]
            return {"seconds": seconds[partitions], "mib": mib, "target": TARGETS["step"] if name.startswith("ipirm") else None}

        for partitions in size["partitions"]:
            group = f"training step, {size['arch']}, B {size['batch_size']}, 32x32, P {partitions}"
            table.attempt(group, name, lambda partitions=partitions: figure(partitions))


# --- Search --------------------------------------------------------------------------------------------------------------
def program_search(size, device, z1, z2):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        write_npy(root / "z1.npy", z1)
        write_npy(root / "z2.npy", z2)
        command = [BIN / "ipirm-partition", "--view1", root / "z1.npy", "--view2", root / "z2.npy", "--out", root / "partition.npy",
                   "--irm_weight_maxim", .5, "--constrain", "--constrain_relax", "--maximize_batch", size["search_batch"],
                   "--maximize_passes", size["search_passes"], "--device", device]
        mib, whole = run(command, device, timeout=900)[1:]
        found = [event for event in events(root / "partition.npy.metrics.jsonl") if event["event"] == "maximize"][0]
    remark = f"{found['passes']} passes made; the whole process {whole:.1f} s"
    return {"seconds": found["seconds"] / found["passes"] * PASSES, "mib": mib, "remark": remark, "target": TARGETS["search"]}


def plain_search(size, device, z1, z2, risk):
    """One pass of a user's loop."""
    z1, z2, n = z1.to(device), z2.to(device), len(z1)
    logits = torch.randn(n, 2, device=device, requires_grad=True)
    adam = torch.optim.Adam([logits], lr=.5)

    def batch(index):
        weights = logits[index].softmax(1)
        grad = risk(z1[index], z2[index], weights.detach(), .5, .5, .5)[2]
        mean = weights.mean(0)
        adam.zero_grad()
        (-(grad * weights).sum() + torch.relu(.6365 + (mean * mean.log()).sum())).backward()
        adam.step()

    batches = torch.randperm(n, device=device).split(size["search_batch"])
    batch(batches[0])  # warms up; the last is smaller, and a second shape to compile
    batch(batches[-1])
    seconds, mib = timed_on_host(device, lambda: [batch(index) for index in batches])
    return {"seconds": seconds * PASSES, "mib": mib, "remark": "one pass, times 61"}


def timed_on_host(device, call):
    """Seconds, and the device's memory that it took beyond what was taken (CUDA alone)."""
    wait_for(device)
    before = reset_memory(device)
    start = time.perf_counter()
    call()
    wait_for(device)
    return time.perf_counter() - start, grown_memory(device, before)


def reset_memory(device):
    if device != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def grown_memory(device, before):
    return (torch.cuda.max_memory_allocated() - before) / 2**20 if device == "cuda" else None


def plain_risks(device, short):
    return {"eager PyTorch, double backward": lambda: eager_partition_risk,
            "eager PyTorch, analytic gradient": lambda: closed_partition_risk,
            f"{compile_name(short)}, analytic gradient": lambda: torch.compile(closed_partition_risk, backend=compiler(device, short))}


def time_search(table, size, device, short):
    z1 = unit(size["samples"], 128)
    z2 = torch.nn.functional.normalize(z1 + .05 * torch.randn(z1.shape))
    group = f"search, {size['samples']:,} x 128, batches of {size['search_batch']:,}, {PASSES} passes"
    table.attempt(group, "ipirm-partition", lambda: program_search(size, device, z1, z2))
    for name, risk in plain_risks(device, short).items():
        table.attempt(group, name, lambda risk=risk: plain_search(size, device, z1, z2, risk()))


# --- Operators -----------------------------------------------------------------------------------------------------------
def timed(size, device, call):
    """Median seconds of a call, by events on the GPU, and the memory it takes there."""
    for _ in range(3):
        call()
    before = reset_memory(device)
    if device == "cuda":
        events_of = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(size["calls"])]
        for start, end in events_of:
            start.record()
            call()
            end.record()
        torch.cuda.synchronize()
        seconds = [start.elapsed_time(end) / 1e3 for start, end in events_of]
    else:
        seconds = [timed_on_host(device, call)[0] for _ in range(size["calls"])]
    return {"seconds": statistics.median(seconds), "mib": grown_memory(device, before)}


def time_operators(table, size, device, short):
    ops = load_operators(device)
    n, batch, partitions = size["risk"], size["loss_batch"], size["loss_partitions"]
    z1, z2, w = (x.to(device) for x in (unit(n, 128), unit(n, 128), torch.randn(n, 2).softmax(1)))
    group = f"partition_risk, n {n:,}, d 128, K 2"
    table.attempt(group, "ipirm", lambda: {**timed(size, device, lambda: ops.partition_risk(z1, z2, w, .5, .5, .5)), "target": TARGETS["partition_risk"]})
    for name, risk in plain_risks(device, short).items():
        def measure(risk=risk):
            function = risk()
            return timed(size, device, lambda: function(z1, z2, w, .5, .5, .5))
        table.attempt(group, name, measure)
    y1, y2 = (unit(batch, 128).to(device).requires_grad_(True) for _ in range(2))
    environment = torch.randint(0, 2, (partitions, batch), device=device)

    def step(loss, *form):
        contrastive, penalty = loss(y1, y2, environment, 2, .5, .5, *form)
        return torch.autograd.grad(contrastive.mean() + .2 * penalty.mean(), (y1, y2))

    group = f"environment_loss forward and backward, B {batch}, P {partitions}, K 2"
    table.attempt(group, "ipirm", lambda: {**timed(size, device, lambda: step(ops.environment_loss)), "target": TARGETS["environment_loss"]})
    for name, analytic in (("eager PyTorch, double backward", False), ("eager PyTorch, analytic gradient", True)):
        table.attempt(group, name, lambda analytic=analytic: timed(size, device, lambda: step(eager_environment_loss, analytic)))


def all_timings(device, short):
    """Every row of the table."""
    table, size = Table(with_targets=device == "cuda" and not short), SHORT if short else FULL
    torch.manual_seed(0)
    time_operators(table, size, device, short)
    time_search(table, size, device, short)
    if device == "cuda":
        torch.cuda.empty_cache()
    time_steps(table, size, device, short)
    figures = {"rows": table.rows}
    if table.failures:
        raise Failed(f"{len(table.failures)} of {len(table.rows)} rows: {table.failures[0]}", figures)
    return f"{len(table.rows)} rows, see the table", figures
