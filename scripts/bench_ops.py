#!/usr/bin/env python3
# Times the operators of libipirm_ops.so side by side with plain eager PyTorch, in one process: time, extra memory, error.
"""usage: .venv/bin/python scripts/bench_ops.py [--threads N] [--n 1024 3096] [--runs 3] [--large] [--neighbour [N]] [--skip_environment]

Two eager forms, both straight from the definitions (METHOD 4 and 5) and stable at any temperature, as the operators are:
"double backward" takes the penalty's inner gradient and then the outer one by autograd, as people write it; "analytic gradient" has formulas
in their place: METHOD 10 in whole matrices for partition_risk, the inner gradient for environment_loss. Each figure is a median of several calls; --runs repeats all of them, and lowest and highest are shown.
Extra memory is the growth of the process's peak.
--large adds batches of 10,000 and 20,000 samples and K = 4, 8 (the operator alone: eager PyTorch would need 30 to 100 GB).
--neighbour times the operators instead while N other processes (default 1) keep a processor busy each, and without them, in turn.
About 4 minutes on 2 cores and 5 GB of memory; --neighbour about 1 minute."""
import argparse
import ctypes
import pathlib
import statistics
import subprocess
import sys
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/scripts"))
from plain_ops import closed_partition_risk, eager_environment_loss, eager_partition_risk, error, unit  # noqa: E402


RISKS = {"double backward": eager_partition_risk, "analytic gradient": closed_partition_risk}
LOSSES = {"double backward": False, "analytic gradient": True}


# --- Measuring -----------------------------------------------------------------------------------
def memory_kb(key):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key))


def measure(run, repeats):
    """Median seconds, extra peak memory in MB, the result."""
    run()  # warms up: threads, code, allocator
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as clear:
        clear.write("5")  # the peak starts anew
    before, times = memory_kb("VmRSS"), []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return statistics.median(times), (memory_kb("VmHWM") - before) / 1024, result


def floor_seconds(n, d, num_env, kept, gflops):
    """Least time of partition_risk on this machine: one half of the inner products (4 halves where they are not kept) and
    4 times an exponential (12 operations) and 2 sums a pair and environment, at the rate of a large matrix product."""
    pairs = (2 * n) ** 2 / 2
    products = pairs * 2 * d * (1 if kept else 4)
    return (products + 4 * pairs * 2 * (12 + 2 * num_env)) / (gflops * 1e9)


def matrix_gflops():
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    seconds = measure(lambda: a @ b, 5)[0]
    return 2 * 2048**3 / seconds / 1e9


def span(values, form):
    """Lowest and highest of several runs, as one where they print alike."""
    low, high = (form.format(f(values)) for f in (min, max))
    return low if low == high else f"{low}-{high}"


def partition_risk(args, gflops):
    ours_of = torch.ops.ipirm.partition_risk
    print(f"\npartition_risk, d {args.d}, K 2, float32; {args.runs} runs: lowest-highest")
    for n in args.n:
        z1, z2, w = unit(n, args.d), unit(n, args.d), torch.randn(n, 2).softmax(1)
        exact = ours_of(z1.double(), z2.double(), w.double(), .5, .5, .5)[2]
        floor = floor_seconds(n, args.d, 2, n <= 3096, gflops)
        ours, eager = [], {form: [] for form in RISKS}
        for _ in range(args.runs):
            ours.append(measure(lambda: ours_of(z1, z2, w, .5, .5, .5), 9))
            for form, risk in RISKS.items():
                eager[form].append(measure(lambda: risk(z1, z2, w, .5, .5, .5), 3))
        print(f"n {n}: ipirm {span([run[0] * 1e3 for run in ours], '{:.1f}')} ms, {span([run[1] for run in ours], '{:.0f}')} MB extra, "
              f"{span([run[0] / floor for run in ours], '{:.2f}')} times the floor of {floor * 1e3:.1f} ms, "
              f"gradient's error {error(ours[0][2][2], exact):.1e}")
        for form, runs in eager.items():
            times = [run[0] / mine[0] for run, mine in zip(runs, ours)]
            print(f"    eager, {form}: {span([run[0] for run in runs], '{:.2f}')} s, {span([run[1] for run in runs], '{:.0f}')} MB extra, "
                  f"gradient's error {error(runs[0][2][2], exact):.1e}; ipirm is {span(times, '{:.0f}')} times faster", flush=True)


def large(args):
    print(f"\npartition_risk alone, d {args.d}, float32: seconds, extra MB")
    for num_env in (2, 4, 8):
        line = f"K {num_env}:"
        for n in (1024, 2048, 3096, 6192, 10000, 20000):
            z1, z2, w = unit(n, args.d), unit(n, args.d), torch.randn(n, num_env).softmax(1)
            seconds, mb, _ = measure(lambda: torch.ops.ipirm.partition_risk(z1, z2, w, .5, .5, .5), 3 if n < 10000 else 1)
            line += f"  n {n}: {seconds:.3f} s {mb:.0f} MB"
        print(line, flush=True)


def environment_batch(args):
    batch, num_partitions = 256, 8
    z1, z2 = unit(batch, args.d).requires_grad_(True), unit(batch, args.d).requires_grad_(True)
    environment = torch.randint(0, 2, (num_partitions, batch))

    def step(loss, *form):
        contrastive, penalty = loss(z1, z2, environment, 2, .5, .5, *form)
        return torch.autograd.grad(contrastive.mean() + .2 * penalty.mean(), (z1, z2))

    return step, f"environment_loss forward and backward, B {batch}, P {num_partitions}, K 2"


def environment_loss(args):
    step, title = environment_batch(args)
    ours, eager = [], {form: [] for form in LOSSES}
    for _ in range(args.runs):
        ours.append(measure(lambda: step(torch.ops.ipirm.environment_loss), 31))
        for form, analytic in LOSSES.items():
            eager[form].append(measure(lambda: step(eager_environment_loss, analytic), 15))
    print(f"\n{title}: ipirm {span([run[0] * 1e3 for run in ours], '{:.2f}')} ms")
    for form, runs in eager.items():
        times = [run[0] / mine[0] for run, mine in zip(runs, ours)]
        print(f"    eager, {form}: {span([run[0] * 1e3 for run in runs], '{:.1f}')} ms; ipirm is {span(times, '{:.1f}')} times faster; "
              f"gradients differ by {error(ours[0][2][0], runs[0][2][0].double()):.1e}")


def neighbour(args):
    """The operators alone and beside busy processes, in turn."""
    step, title = environment_batch(args)
    cases = {title: (lambda: step(torch.ops.ipirm.environment_loss), 61)}
    for n in args.n:
        z1, z2, w = unit(n, args.d), unit(n, args.d), torch.randn(n, 2).softmax(1)
        cases[f"partition_risk, n {n}"] = (lambda z1=z1, z2=z2, w=w: torch.ops.ipirm.partition_risk(z1, z2, w, .5, .5, .5), 61 if n < 2000 else 15)
    print(f"\nBeside {args.neighbour} busy process(es); {args.runs} runs: lowest-highest of their medians")
    for name, (call, repeats) in cases.items():
        idle, loaded = [], []
        for _ in range(args.runs):
            idle.append(measure(call, repeats)[0] * 1e3)
            busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.neighbour)]
            try:
                time.sleep(.3)  # until they run
                loaded.append(measure(call, repeats)[0] * 1e3)
            finally:
                for process in busy:
                    process.kill()
                    process.wait()
            time.sleep(.5)
        print(f"{name}: {span(idle, '{:.1f}')} ms alone, {span(loaded, '{:.1f}')} ms beside, "
              f"{span([b / a for a, b in zip(idle, loaded)], '{:.1f}')} times slower", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="threads (default: all cores)")
    parser.add_argument("--n", type=int, nargs="*", default=[1024, 3096], help="samples of a batch")
    parser.add_argument("--d", type=int, default=128, help="features")
    parser.add_argument("--large", action="store_true", help="up to 20,000 samples, K up to 8")
    parser.add_argument("--skip_environment", action="store_true")
    parser.add_argument("--runs", type=int, default=3, help="how often each figure is taken")
    parser.add_argument("--neighbour", type=int, nargs="?", const=1, help="time beside so many busy processes instead")
    parser.add_argument("--library", default=ROOT / "build/lib/libipirm_ops.so")
    args = parser.parse_args()
    if not pathlib.Path(args.library).exists():
        sys.exit(f"{args.library} is missing: build it by scripts/setup.sh")
    torch.ops.load_library(args.library)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    gflops = matrix_gflops()
    print(f"{torch.get_num_threads()} threads; a matrix product of 2048 runs at {gflops:.0f} GFLOP/s")
    if args.neighbour:
        return neighbour(args)
    partition_risk(args, gflops)
    if not args.skip_environment:
        environment_loss(args)
    if args.large:
        large(args)


if __name__ == "__main__":
    main()
