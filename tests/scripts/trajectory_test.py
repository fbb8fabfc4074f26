# Five steps of ResNet-50 in ipirm-train follow a plain PyTorch loop to 1e-3 relative in loss (CPU, fp32).
"""Both start from the same weights (--pretrain_model) and partition (--partition) on the same images, without augmentation
and shuffling. The loop below is written from METHOD 3, 4 and 8 with autograd alone."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import torch
    from torch.nn import functional as F
except ImportError as missing:
    print(f"skipped: {missing} (this LibTorch came without Python)")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from plain_resnet import Net  # noqa: E402

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
STD = torch.tensor([0.2023, 0.1994, 0.2010]).view(1, 3, 1, 1)
BATCH, STEPS = 16, 5
PENALTY_WEIGHT, TEMPERATURE, IRM_TEMP = 0.2, 0.5, 0.4


def write_cifar10(root, images, labels):
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    per_file = len(images) // 5
    for b in range(5):
        with open(folder / f"data_batch_{b + 1}.bin", "wb") as file:
            for i in range(b * per_file, (b + 1) * per_file):
                file.write(struct.pack("B", labels[i]) + images[i].tobytes())
    with open(folder / "test_batch.bin", "wb") as file:
        for i in range(10):
            file.write(struct.pack("B", i) + images[i].tobytes())


def pictures(rng, count):
    """Waves of random colour, direction and length: pictures that differ as photographs do, (count, 3, 32, 32) uint8."""
    y, x = np.mgrid[0:32, 0:32] / 32.0
    waves = [np.sin(2 * np.pi * (rng.uniform(-3, 3, (count, 3, 1, 1)) * y + rng.uniform(-3, 3, (count, 3, 1, 1)) * x)
                    + rng.uniform(0, 6, (count, 3, 1, 1))) for _ in range(2)]
    return np.clip(rng.uniform(40, 215, (count, 3, 1, 1)) + 40 * sum(waves), 0, 255).astype(np.uint8)


def calm(model):
    """Residual branches start small (their last BatchNorm's weight .05). From PyTorch's own start, where all images have
    nearly the same features, rounding grows a hundredfold a step: two plain PyTorch loops, one channels-last and one
    not, then differ by 1e-2 at step 3, and no comparison could tell a fault from rounding."""
    for module in model.modules():
        if hasattr(module, "bn3"):
            torch.nn.init.constant_(module.bn3.weight, 0.05)
    return model


def logits(z1, z2):
    """(2n, 2n-1): the positive, then the negatives in order."""
    n = len(z1)
    z = torch.cat([z1, z2])
    rows = []
    for i in range(2 * n):
        p = (i + n) % (2 * n)
        rows.append([p] + [j for j in range(2 * n) if j not in (i, p)])
    return (z @ z.T).gather(1, torch.tensor(rows))


def info_nce(l):
    return F.cross_entropy(l, torch.zeros(len(l), dtype=torch.long))


def objective(z1, z2, environment):
    contrastive, penalty = [], []
    for e in range(2):
        members = environment == e
        if members.sum() < 2:
            contrastive.append(torch.zeros(()))
            penalty.append(torch.zeros(()))
            continue
        l = logits(z1[members], z2[members])
        ones = torch.ones(1, l.shape[1], requires_grad=True)
        g, = torch.autograd.grad(info_nce(l / IRM_TEMP * ones), ones, create_graph=True)
        contrastive.append(info_nce(l / TEMPERATURE))
        penalty.append((g ** 2).sum())
    contrastive, penalty = torch.stack(contrastive).mean(), torch.stack(penalty).mean()
    return contrastive + info_nce(logits(z1, z2) / TEMPERATURE) + PENALTY_WEIGHT * penalty, contrastive, penalty


class Trajectory(unittest.TestCase):
    def test_five_steps(self):
        torch.manual_seed(0)
        rng = np.random.default_rng(0)
        images = pictures(rng, BATCH * STEPS)
        model = calm(Net("resnet50")).to(memory_format=torch.channels_last)
        partition = rng.standard_normal((len(images), 2)).astype(np.float32)
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            write_cifar10(root, images, rng.integers(0, 10, len(images)))
            torch.save({f"module.{k}": v for k, v in model.state_dict().items()}, root / "weights.pt")
            np.save(root / "partition.npy", partition)
            command = [BIN / "ipirm-train", "--dataset", "CIFAR10", "--data_root", root, "--results_root", root, "--name", "t",
                       "--batch_size", BATCH, "--epochs", 1, "--augment", "none", "--no_shuffle", "--keep_cont",
                       "--pretrain_model", root / "weights.pt", "--partition", root / "partition.npy", "--device", "cpu",
                       "--penalty_weight", PENALTY_WEIGHT, "--temperature", TEMPERATURE, "--irm_temp", IRM_TEMP,
                       "--max_steps", STEPS, "--log_every", 1, "--workers", 1, "--precision", "fp32"]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
            with open(root / "CIFAR10" / "t" / "metrics.jsonl", encoding="utf-8") as lines:
                steps = [event for event in map(json.loads, lines) if event["event"] == "step"]
        self.assertEqual(len(steps), STEPS)

        adam = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)
        views = ((torch.from_numpy(images).float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        environment = torch.from_numpy(partition).argmax(1)
        for k, step in enumerate(steps):
            batch = slice(k * BATCH, (k + 1) * BATCH)
            z1, z2 = model(views[batch])[1], model(views[batch])[1]  # a view is a forward pass of its own
            loss, contrastive, penalty = objective(z1, z2, environment[batch])
            adam.zero_grad()
            loss.backward()
            adam.step()
            for found, expected in ((step["loss"], loss), (step["contrastive"], contrastive), (step["penalty"], penalty)):
                error = abs(found / expected.item() - 1)
                print(f"step {k + 1}: ipirm {found:.6f}  PyTorch {expected.item():.6f}  relative difference {error:.1e}")
                self.assertLess(error, 1e-3)


if __name__ == "__main__":
    unittest.main()
