# Five steps of ResNet-50 in ipirm-train follow a plain PyTorch loop to 1e-3 relative in loss (CPU, fp32).
"""Both start from the same weights (--pretrain_model) and partition (--partition) on the same images, without augmentation
and shuffling. The loop below is written from METHOD 3, 4 and 8 with autograd alone."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing} (this LibTorch came without Python)")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from plain_resnet import Net  # noqa: E402
from plain_training import calm, normalised, objective, pictures, write_cifar10, write_npy  # noqa: E402

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
BATCH, STEPS = 16, 5
PENALTY_WEIGHT, TEMPERATURE, IRM_TEMP = 0.2, 0.5, 0.4


class Trajectory(unittest.TestCase):
    def test_five_steps(self):
        torch.manual_seed(0)
        images = pictures(BATCH * STEPS)
        model = calm(Net("resnet50")).to(memory_format=torch.channels_last)
        partition = torch.randn(len(images), 2)
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            write_cifar10(root, images, torch.randint(0, 10, (len(images),), dtype=torch.uint8))
            torch.save({f"module.{k}": v for k, v in model.state_dict().items()}, root / "weights.pt")
            write_npy(root / "partition.npy", partition)
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
        views, environment = normalised(images), partition.argmax(1)
        for k, step in enumerate(steps):
            batch = slice(k * BATCH, (k + 1) * BATCH)
            z1, z2 = model(views[batch])[1], model(views[batch])[1]  # a view is a forward pass of its own
            loss, contrastive, penalty = objective(z1, z2, environment[None, batch], 2, TEMPERATURE, IRM_TEMP, PENALTY_WEIGHT)
            adam.zero_grad()
            loss.backward()
            adam.step()
            for found, expected in ((step["loss"], loss), (step["contrastive"], contrastive), (step["penalty"], penalty)):
                error = abs(found / expected.item() - 1)
                print(f"step {k + 1}: ipirm {found:.6f}  PyTorch {expected.item():.6f}  relative difference {error:.1e}")
                self.assertLess(error, 1e-3)


if __name__ == "__main__":
    unittest.main()
