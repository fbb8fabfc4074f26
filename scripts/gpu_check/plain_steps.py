# Times training steps of plain PyTorch, written as a user would write them, and prints them as JSON. Started by speed.py.
"""bfloat16 autocast, channels-last, fused Adam; two views, a forward pass each; contrastive loss of the batch and of each environment,
penalty by double backward. The views never change: without any loading, which is in its favour."""
import argparse
import json
import statistics
import time

import torch

from place import wait_for
from plain_ops import eager_environment_loss
from plain_resnet import Net
from plain_training import simclr_loss

TEMPERATURE, PENALTY_WEIGHT, NUM_ENV = .5, .2, 2


class Steps:
    def __init__(self, options):
        torch.manual_seed(0)
        self.device, self.bf16 = options.device, options.bf16
        net = Net(options.arch, options.width).to(self.device, memory_format=torch.channels_last)
        self.adam = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-6, fused=True)
        self.net = torch.compile(net, backend=options.compile) if options.compile else net
        shape = (options.batch_size, 3, 32, 32)
        self.views = [torch.randn(shape, device=self.device).contiguous(memory_format=torch.channels_last) for _ in range(2)]
        self.environment = torch.randint(0, NUM_ENV, (max(options.partitions), options.batch_size), device=self.device)

    def step(self, num_partitions):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            projections = [self.net(view)[1] for view in self.views]
        z1, z2 = (z.float() for z in projections)
        contrastive, penalty = eager_environment_loss(z1, z2, self.environment[:num_partitions], NUM_ENV, TEMPERATURE, TEMPERATURE)
        loss = contrastive.mean() + simclr_loss(z1, z2, TEMPERATURE) + PENALTY_WEIGHT * penalty.mean()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()

    def seconds(self, num_partitions, warm_up, steps, rounds):
        """Of a step: the median of several rounds' means."""
        for _ in range(warm_up):
            self.step(num_partitions)
        means = []
        for _ in range(rounds):
            wait_for(self.device)
            start = time.perf_counter()
            for _ in range(steps):
                self.step(num_partitions)
            wait_for(self.device)
            means.append((time.perf_counter() - start) / steps)
        return statistics.median(means)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    parser.add_argument("--arch", required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--batch_size", type=int, required=True)
    parser.add_argument("--partitions", type=int, nargs="+", required=True)
    parser.add_argument("--warm_up", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--compile", help="torch.compile's backend for the network; the loss, with its double backward, cannot be compiled")
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    steps = Steps(options)
    print(json.dumps({str(p): steps.seconds(p, options.warm_up, options.steps, options.rounds) for p in options.partitions}))


if __name__ == "__main__":
    main()
