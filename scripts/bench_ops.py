#!/usr/bin/env python3
# Times the operators of libipirm_ops.so side by side with plain eager PyTorch, in one process: time, extra memory, error.
"""usage: .venv/bin/python scripts/bench_ops.py [--threads N] [--n 1024 3096] [--large] [--skip_environment]

--large adds batches of 10,000 and 20,000 samples and K = 4, 8 (the operator alone: eager PyTorch would need 30 to 100 GB).
About 2 minutes on 2 cores and 5 GB of memory. The eager forms are written straight from the definitions (SPEC 4 and 5) and
stable at any temperature, as the operators are. Times are medians. Extra memory is the growth of the process's peak."""
import argparse
import ctypes
import pathlib
import statistics
import sys
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent


# --- Eager PyTorch -------------------------------------------------------------------------------
def position_columns(n):
    """(2n, 2n-1): for each view its positive, then its negatives in order."""
    i = torch.arange(2 * n).unsqueeze(1)
    positive = (i + n) % (2 * n)
    j = torch.arange(2 * n).expand(2 * n, 2 * n)
    return torch.cat([positive, j[(j != i) & (j != positive)].view(2 * n, 2 * n - 2)], 1)


def soft_contrastive(logits, u, columns):
    """SPEC 5's contrastive_e of one environment with view weights u."""
    negatives = u[columns[:, 1:]]
    scaled = negatives * ((logits.shape[0] - 2) / negatives.sum(1, keepdim=True))
    weighted = torch.cat([logits[:, :1], logits[:, 1:] + scaled.log()], 1)
    return (u * -torch.log_softmax(weighted, 1)[:, 0]).sum() / u.sum()


def eager_partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight):
    n, num_env = weights.shape
    w = weights.detach().clone().requires_grad_(True)
    z = torch.cat([z1, z2])
    columns = position_columns(n)
    logits = (z @ z.t()).gather(1, columns)
    contrastive, penalty = [], []
    for e in range(num_env):
        u = w[:, e].repeat(2)
        contrastive.append(soft_contrastive(logits / temperature, u, columns))
        ones = torch.ones(1, 2 * n - 1, dtype=z.dtype, requires_grad=True)
        at_irm = soft_contrastive(logits / irm_temperature * ones, u, columns)
        penalty.append(torch.autograd.grad(at_irm, ones, create_graph=True)[0].square().sum())
    contrastive, penalty = torch.stack(contrastive), torch.stack(penalty)
    grad = torch.autograd.grad(contrastive.mean() + irm_weight * penalty.mean(), w)[0]
    return contrastive.detach(), penalty.detach(), grad


def eager_environment_loss(z1, z2, environment, num_env, temperature, irm_temperature):
    """SPEC 4: each environment of each partition on its own."""
    contrastive, penalty = [], []
    for partition in environment:
        for e in range(num_env):
            members = (partition == e).nonzero().squeeze(1)
            n = len(members)
            z = torch.cat([z1[members], z2[members]])
            logits = (z @ z.t()).gather(1, position_columns(n))
            target = torch.zeros(2 * n, dtype=torch.long)
            ones = torch.ones(1, 2 * n - 1, dtype=z.dtype, requires_grad=True)
            at_irm = torch.nn.functional.cross_entropy(logits / irm_temperature * ones, target)
            contrastive.append(torch.nn.functional.cross_entropy(logits / temperature, target))
            penalty.append(torch.autograd.grad(at_irm, ones, create_graph=True)[0].square().sum())
    shape = (len(environment), num_env)
    return torch.stack(contrastive).view(shape), torch.stack(penalty).view(shape)


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


def unit(n, d, dtype=torch.float32):
    return torch.nn.functional.normalize(torch.randn(n, d, dtype=torch.float64)).to(dtype)


def error(found, expected):
    return ((found.double() - expected).abs().max() / expected.abs().max()).item()


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


def partition_risk(args, gflops):
    print(f"\npartition_risk, d {args.d}, K 2, float32\n{'n':>6}{'eager':>10}{'ipirm':>11}{'times':>8}{'eager MB':>10}"
          f"{'ipirm MB':>10}{'times':>7}{'floor':>9}{'off by':>8}{'grad error eager, ipirm':>27}")
    for n in args.n:
        z1, z2, w = unit(n, args.d), unit(n, args.d), torch.randn(n, 2).softmax(1)
        ours = measure(lambda: torch.ops.ipirm.partition_risk(z1, z2, w, .5, .5, .5), 9)
        eager = measure(lambda: eager_partition_risk(z1, z2, w, .5, .5, .5), 3)
        exact = torch.ops.ipirm.partition_risk(z1.double(), z2.double(), w.double(), .5, .5, .5)[2]
        floor = floor_seconds(n, args.d, 2, n <= 3096, gflops)
        print(f"{n:6}{eager[0]:9.3f}s{ours[0] * 1e3:9.1f}ms{eager[0] / ours[0]:7.0f}x{eager[1]:10.0f}{ours[1]:10.1f}"
              f"{eager[1] / max(ours[1], .1):6.0f}x{floor * 1e3:7.1f}ms{ours[0] / floor:7.2f}x"
              f"{error(eager[2][2], exact):16.1e}{error(ours[2][2], exact):11.1e}", flush=True)


def large(args):
    print(f"\npartition_risk alone, d {args.d}, float32: seconds, extra MB")
    for num_env in (2, 4, 8):
        line = f"K {num_env}:"
        for n in (1024, 2048, 3096, 6192, 10000, 20000):
            z1, z2, w = unit(n, args.d), unit(n, args.d), torch.randn(n, num_env).softmax(1)
            seconds, mb, _ = measure(lambda: torch.ops.ipirm.partition_risk(z1, z2, w, .5, .5, .5), 3 if n < 10000 else 1)
            line += f"  n {n}: {seconds:.3f} s {mb:.0f} MB"
        print(line, flush=True)


def environment_loss(args):
    batch, num_partitions = 256, 8
    z1, z2 = unit(batch, args.d).requires_grad_(True), unit(batch, args.d).requires_grad_(True)
    environment = torch.randint(0, 2, (num_partitions, batch))

    def step(loss):
        contrastive, penalty = loss(z1, z2, environment, 2, .5, .5)
        return torch.autograd.grad(contrastive.mean() + .2 * penalty.mean(), (z1, z2))

    ours = measure(lambda: step(torch.ops.ipirm.environment_loss), 31)
    eager = measure(lambda: step(eager_environment_loss), 15)
    print(f"\nenvironment_loss forward and backward, B {batch}, P {num_partitions}, K 2: eager {eager[0] * 1e3:.1f} ms, ipirm "
          f"{ours[0] * 1e3:.2f} ms, {eager[0] / ours[0]:.1f} times; gradients differ by {error(ours[2][0], eager[2][0].double()):.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="threads (default: all cores)")
    parser.add_argument("--n", type=int, nargs="*", default=[1024, 3096], help="samples of a batch")
    parser.add_argument("--d", type=int, default=128, help="features")
    parser.add_argument("--large", action="store_true", help="up to 20,000 samples, K up to 8")
    parser.add_argument("--skip_environment", action="store_true")
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
    partition_risk(args, gflops)
    if not args.skip_environment:
        environment_loss(args)
    if args.large:
        large(args)


if __name__ == "__main__":
    main()
