#!/usr/bin/env python3
# IP-IRM in a plain PyTorch loop of one's own, on the operators of libipirm_ops.so: what to copy into other people's training code.
"""usage: .venv/bin/python scripts/ssl_example.py [--epochs 6] [--search_every 2] [--autocast] [--save_dir DIR] [--lightly]

A tiny SimCLR on 512 small pictures (a shape, and a colour that is easier to see); seconds on 2 cores. Every --search_every epochs a search
finds the partition of the samples that violates invariance most (METHOD 5); training then sums the loss inside the environments of every
partition found so far, their penalty, and the whole batch's InfoNCE (METHOD 4). --lightly takes the projection head and the whole batch's
loss from lightly, where it is installed."""
import argparse
import pathlib
import sys

import numpy as np
import torch
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUM_ENV, T, T_IRM = 2, .5, .5
PENALTY_WEIGHT, SEARCH_PENALTY_WEIGHT = .2, .5


def pictures(n=512):
    """(n, 3, 8, 8) and the number of each one's shape. A stand-in for a data set."""
    shapes, colours = (torch.rand(4, 1, 8, 8) > .5).float(), torch.rand(4, 3, 1, 1)
    kind, colour = torch.arange(n) % 4, torch.arange(n) // 4 % 4
    return shapes[kind] * colours[colour] + .3 * colours[colour], kind


def view(images):
    """A random view of each: shifted, noisy. A stand-in for the augmentation."""
    shift = torch.randint(-1, 2, (2,)).tolist()
    return images.roll(shift, (2, 3)) + .1 * torch.randn_like(images)


def projector(width, use_lightly):
    if use_lightly:
        from lightly.models.modules import SimCLRProjectionHead
        return SimCLRProjectionHead(width, width, 32)
    return torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 32))


def project(model, images, autocast):
    """Rows of length 1 in float32: the operators expect cosines, and bfloat16 would carry two digits into the loss."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=autocast):
        z = model(images)
    return F.normalize(z.float(), dim=1)


def whole_batch_term(z1, z2):
    """InfoNCE of the whole batch: one partition (P = 1) of one environment (K = 1)."""
    everyone = torch.zeros(1, len(z1), dtype=torch.long, device=z1.device)
    return torch.ops.ipirm.environment_loss(z1, z2, everyone, 1, T, T)[0].mean()


def balance(weights):
    """Costs where one environment takes more than two thirds, for NUM_ENV = 2 (METHOD 5)."""
    mean = weights.mean(0)
    return torch.relu(.6365 + (mean * mean.log()).sum())


def search(z1, z2, passes=40, batch=256):
    """The maximization: logits (N, K) of the partition with the largest risk. z1, z2: features of all samples, no graph."""
    logits = torch.randn(len(z1), NUM_ENV, device=z1.device, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=.5)
    best, kept = float("inf"), None
    for number in range(passes):
        risks = []
        for index in torch.randperm(len(z1), device=z1.device).split(batch):
            weights = logits[index].softmax(1)
            # Contrastive and penalty (K), and d(mean contrastive + lambda mean penalty)/d weights, in closed form: no graph.
            contrastive, penalty, grad = torch.ops.ipirm.partition_risk(
                z1[index], z2[index], weights.detach(), T, T_IRM, SEARCH_PENALTY_WEIGHT)
            own = balance(weights)
            # The gradient enters as a constant beside the weights; autograd goes on through balance and softmax.
            (-(grad.detach() * weights).sum() + own).backward()
            optimizer.step()
            optimizer.zero_grad()
            risks.append(-(contrastive.mean() + SEARCH_PENALTY_WEIGHT * penalty.mean()) + own.detach())
        risk = torch.stack(risks).mean().item()
        if number == 0:
            first = risk
        if risk < best:
            best, kept = risk, logits.detach().clone()
    sizes = kept.argmax(1).bincount(minlength=NUM_ENV).tolist()
    print(f"search: risk {first:.4f} at first, {best:.4f} at best; sizes {sizes}", flush=True)
    return kept


def features(model, images, autocast):
    """Two views of every sample by the network in evaluation mode."""
    model.eval()
    with torch.no_grad():
        out = project(model, view(images), autocast), project(model, view(images), autocast)
    model.train()
    return out


def train(args, images):
    encoder = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16 * 64, 64))
    model = torch.nn.Sequential(encoder, projector(64, args.lightly))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    whole_batch = whole_batch_term
    if args.lightly:
        from lightly.loss import NTXentLoss
        whole_batch = NTXentLoss(temperature=T)
    partitions = torch.empty(0, len(images), dtype=torch.long)  # (P, N), each sample's environment in each partition so far
    for epoch in range(1, args.epochs + 1):
        if (epoch - 1) % args.search_every == 0:  # before the first epoch, then every few
            logits = search(*features(model, images, args.autocast))
            if args.save_dir:  # the file that `ipirm-partition --out` writes has the same shape
                path = pathlib.Path(args.save_dir) / f"partition_{epoch}.npy"
                np.save(path, logits.numpy())
                logits = torch.from_numpy(np.load(path))
            partitions = torch.cat([partitions, logits.argmax(1)[None]])
        sums = torch.zeros(3)
        batches = torch.randperm(len(images)).split(128)
        for index in batches:
            z1, z2 = (project(model, view(images[index]), args.autocast) for _ in range(2))
            contrastive, penalty = torch.ops.ipirm.environment_loss(z1, z2, partitions[:, index], NUM_ENV, T, T_IRM)
            terms = torch.stack([contrastive.mean(), whole_batch(z1, z2), penalty.mean()])
            optimizer.zero_grad()
            (terms[0] + terms[1] + PENALTY_WEIGHT * terms[2]).backward()
            optimizer.step()
            sums += terms.detach()
        inside, whole, penalty = (sums / len(batches)).tolist()
        print(f"epoch {epoch}: {len(partitions)} partition(s), contrastive {inside:.4f}, whole batch {whole:.4f}, penalty {penalty:.5f}", flush=True)
    return model


def nearest_neighbour(z, kind):
    similarity = (z @ z.t()).fill_diagonal_(-1)
    return (kind[similarity.argmax(1)] == kind).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--search_every", type=int, default=2, help="epochs between searches")
    parser.add_argument("--autocast", action="store_true", help="the network in bfloat16")
    parser.add_argument("--save_dir", help="keeps each partition there as a .npy file, and goes on from the file")
    parser.add_argument("--lightly", action="store_true", help="head and whole-batch loss from lightly")
    parser.add_argument("--library", default=ROOT / "build/lib/libipirm_ops.so")
    args = parser.parse_args()
    if not pathlib.Path(args.library).exists():
        sys.exit(f"{args.library} is missing: build it by scripts/setup.sh")
    if args.lightly:
        try:
            import lightly  # noqa: F401
        except ImportError:
            print("skipped: lightly is not installed (pip install lightly)")
            return
    torch.ops.load_library(args.library)
    torch.manual_seed(0)
    images, kind = pictures()
    model = train(args, images)
    print(f"nearest neighbours of the same shape: {100 * nearest_neighbour(features(model, images, args.autocast)[0], kind):.1f} %")


if __name__ == "__main__":
    main()
