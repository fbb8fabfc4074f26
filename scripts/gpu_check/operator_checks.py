# The operators on a device beside their definitions in float64: values, gradients, the same bits twice, no waiting.
"""Run by itself it makes the checks that compute-sanitizer watches: python3 operator_checks.py --device cuda"""
import argparse
import itertools
import sys

import torch

from place import KERNELS, Failed, load_operators
from plain_ops import closed_partition_risk, eager_environment_loss, eager_partition_risk, eager_partition_risk_mixup, error, unit

# Of contrastive terms, penalties and gradients, relative to the largest expected value, for logits of up to 100: as in
# tests/ops/expectations.h.
TOLERANCES = {torch.float32: (1e-5, 1e-4, 3e-4), torch.float64: (1e-9, 1e-9, 1e-9)}
# (n, d, K, T, T', length of rows): one tile, not a multiple of one, several; K beyond what registers hold; overflow but for row shifts.
RISKS = [(2, 3, 2, .5, .5, 1), (33, 16, 1, .5, .5, 1), (64, 128, 2, .5, .5, 1), (129, 128, 2, .5, .4, 1), (200, 70, 9, .5, .5, 1),
         (150, 32, 4, .02, .03, 1), (130, 24, 3, .5, .5, 6.5), (300, 128, 2, .5, .5, 1)]
# (B, d, P, K, T, T', length of rows)
LOSSES = [(2, 3, 1, 1, .5, .5, 1), (33, 16, 3, 2, .5, .4, 1), (256, 128, 14, 2, .5, .5, 1), (100, 70, 9, 5, .5, .5, 1),
          (70, 32, 2, 2, .02, .03, 1), (65, 24, 3, 3, .5, .5, 6.5)]
LARGE = 3096  # samples of a search's batch: beside the closed form in float64, since the definition would take gigabytes


class Checks:
    """Collects (what, error / tolerance) and the worst of them."""

    def __init__(self):
        self.made = []

    def compare(self, what, found, expected, dtype):
        for name, f, e, tolerance in zip(("contrastive", "penalty", "gradient"), found, expected, TOLERANCES[dtype]):
            self.made.append({"what": f"{what}: {name}", "error": error(f.cpu(), e.cpu()), "tolerance": tolerance})

    def same_bits(self, what, call):
        first, second = call(), call()
        same = all(torch.equal(a, b) for a, b in zip(first, second))
        self.made.append({"what": f"{what}: the same bits twice", "error": 0. if same else 1., "tolerance": 0.})

    def holds(self, what, true):
        self.made.append({"what": what, "error": 0. if true else 1., "tolerance": 0.})

    def bad(self):
        return [check for check in self.made if not check["error"] <= check["tolerance"]]  # NaN is bad too

    def summary(self):
        bad = self.bad()
        if bad:
            raise Failed(f"{len(bad)} of {len(self.made)} checks: {bad[0]['what']} is off by {bad[0]['error']:.1e} ({bad[0]['tolerance']:.0e} allowed)")
        worst = max((check for check in self.made if check["tolerance"]), key=lambda check: check["error"] / check["tolerance"])
        return f"{len(self.made)} checks; nearest to its limit: {worst['what']}, {worst['error']:.1e} of {worst['tolerance']:.0e}"


def risk_inputs(n, d, num_env, length, dtype):
    z1, z2 = (length * unit(n, d, torch.float64) for _ in range(2))
    weights = torch.randn(n, num_env, dtype=torch.float64).softmax(1)
    return [t.to(dtype) for t in (z1, z2, weights)]


def check_risks(ops, device, checks, shapes, dtype):
    for n, d, num_env, t, irm, length in shapes:
        z1, z2, w = risk_inputs(n, d, num_env, length, dtype)
        exact, here = [x.double() for x in (z1, z2, w)], [x.to(device) for x in (z1, z2, w)]
        what = f"n {n} d {d} K {num_env} T {t} {str(dtype)[6:]}"
        for nonorm in (False, True):
            found = ops.partition_risk(*here, t, irm, .7, nonorm)
            checks.compare(f"partition_risk {what}", found, eager_partition_risk(*exact, t, irm, .7, nonorm), dtype)
        if n < 3:
            continue  # MixUp's online gradient is 0 there, and an error relative to it no measure
        lam, partner = torch.rand(n, dtype=torch.float64).to(dtype), torch.randperm(n)
        for other, nonorm in itertools.product((None, partner), (False, True)):
            there = None if other is None else other.to(device)
            found = ops.partition_risk_mixup(*here, lam.to(device), there, t, .7, nonorm)
            checks.compare(f"partition_risk_mixup {what}", found, eager_partition_risk_mixup(*exact, lam.double(), other, t, .7, nonorm), dtype)
    index = torch.randperm(n)[:max(2, n // 2)]
    found = ops.partition_risk(here[0], here[1], here[2][:len(index)], t, irm, .7, index=index.to(device))
    expected = eager_partition_risk(exact[0][index], exact[1][index], exact[2][:len(index)], t, irm, .7)
    checks.compare(f"partition_risk by index {what}", found, expected, dtype)
    checks.same_bits("partition_risk", lambda: ops.partition_risk(*here, t, irm, .7))
    checks.same_bits("partition_risk_mixup", lambda: ops.partition_risk_mixup(*here, lam.to(device), partner.to(device), t, .7))


def loss_and_gradients(loss, z1, z2, environment, num_env, t, irm, cotangents):
    z1, z2 = (z.detach().clone().requires_grad_(True) for z in (z1, z2))
    losses = loss(z1, z2, environment, num_env, t, irm)
    grads = torch.autograd.grad(sum((loss * c).sum() for loss, c in zip(losses, cotangents)), (z1, z2))
    return losses[0].detach(), losses[1].detach(), torch.cat(grads)


def check_losses(ops, device, checks, shapes, dtype):
    for batch, d, partitions, num_env, t, irm, length in shapes:
        z1, z2 = ((length * unit(batch, d, torch.float64)).to(dtype) for _ in range(2))
        environment = torch.randint(0, num_env, (partitions, batch))
        if partitions > 1:  # one environment alone, and one of a single sample beside it
            environment[-1] = 0
            environment[-1, 0] = num_env - 1
        cotangents = [torch.randn(partitions, num_env, dtype=torch.float64).to(dtype) for _ in range(2)]
        exact = loss_and_gradients(eager_environment_loss, z1.double(), z2.double(), environment, num_env, t, irm, [c.double() for c in cotangents])
        here = [x.to(device) for x in (z1, z2, environment)], [c.to(device) for c in cotangents]
        found = loss_and_gradients(ops.environment_loss, *here[0], num_env, t, irm, here[1])
        checks.compare(f"environment_loss B {batch} d {d} P {partitions} K {num_env} T {t} {str(dtype)[6:]}", found, exact, dtype)
    checks.same_bits("environment_loss", lambda: loss_and_gradients(ops.environment_loss, *here[0], num_env, t, irm, here[1]))


def check_large(ops, device, checks):
    z1, z2, w = (x.to(device) for x in risk_inputs(LARGE, 128, 2, 1, torch.float32))
    expected = closed_partition_risk(z1.double(), z2.double(), w.double(), .5, .5, .5)
    checks.compare(f"partition_risk n {LARGE} d 128 K 2", ops.partition_risk(z1, z2, w, .5, .5, .5), expected, torch.float32)


def waits(call):
    """Whether a call waits for the GPU."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        call()
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def check_waits(ops, checks):
    z1, z2, w = (x.cuda() for x in risk_inputs(300, 128, 2, 1, torch.float32))
    environment, cotangents = torch.randint(0, 2, (3, 300)).cuda(), [torch.ones(3, 2).cuda()] * 2
    lam, partner = torch.rand(300).cuda(), torch.randperm(300).cuda()
    for name, call in (("partition_risk", lambda: ops.partition_risk(z1, z2, w, .5, .4, .7)),
                       ("partition_risk_mixup", lambda: ops.partition_risk_mixup(z1, z2, w, lam, partner, .5, .7)),
                       ("environment_loss", lambda: loss_and_gradients(ops.environment_loss, z1, z2, environment, 2, .5, .4, cotangents))):
        call()
        checks.holds(f"{name} does not wait for the GPU", not waits(call))


def check_all(device, short):
    """Checks made; short: few shapes."""
    torch.manual_seed(0)
    ops, checks = load_operators(device), Checks()
    check_risks(ops, device, checks, RISKS[:4] if short else RISKS, torch.float32)
    check_losses(ops, device, checks, LOSSES[:3] if short else LOSSES, torch.float32)
    check_risks(ops, device, checks, RISKS[1:4], torch.float64)
    check_losses(ops, device, checks, LOSSES[1:3], torch.float64)
    if not short:
        check_large(ops, device, checks)
    if device == "cuda":
        check_waits(ops, checks)
    return checks


def check_for_sanitizer(device):
    """What our own kernels do in float32: under the tools each call takes seconds."""
    torch.manual_seed(0)
    ops, checks = load_operators(device), Checks()
    check_risks(ops, device, checks, RISKS[2:6], torch.float32)
    check_losses(ops, device, checks, LOSSES[1:5], torch.float32)
    return checks


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    device = parser.parse_args().device
    if device == "cuda" and not KERNELS.exists():
        print("without libipirm_cuda.so: ATen's kernels alone")
    try:
        print(check_for_sanitizer(device).summary())
    except Failed as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    main()
