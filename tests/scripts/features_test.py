# Compares the rows that ipirm-features writes with a plain PyTorch forward pass, for files of every origin; stops one in between.
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import numpy as np
    import torch
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from exchange_test import expected_export  # noqa: E402
from plain_resnet import Net  # noqa: E402

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).resolve()
ENV = dict(os.environ, OMP_NUM_THREADS="1")
TOLERANCE = 1e-5  # of the largest feature; the convolutions sum in another order (seen: 6e-7)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
TRAIN, TEST = 5 * 8, 30


def write_cifar10(root):
    """A small CIFAR-10; returns train and test images as the network sees them, and labels."""
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    generator = np.random.default_rng(1)
    parts = []
    for names, count in (([f"data_batch_{i}.bin" for i in range(1, 6)], TRAIN // 5), (["test_batch.bin"], TEST)):
        images, labels = [], []
        for name in names:
            # Smooth pictures, so that they differ by more than noise.
            pixels = generator.integers(0, 256, (count, 3, 4, 4)).repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8)
            label = generator.integers(0, 10, count).astype(np.uint8)
            (folder / name).write_bytes(b"".join(bytes([l]) + p.tobytes() for l, p in zip(label, pixels)))
            images.append(torch.from_numpy(pixels).float() / 255)
            labels.append(label)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        parts.append(((torch.cat(images) - mean) / std, np.concatenate(labels)))
    return parts


def trained_like(arch):
    """A network with weights and running statistics that no two layers share."""
    torch.manual_seed(3)
    net = Net(arch, 16, 16)
    for module in net.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return net.eval()


class Features(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.root = pathlib.Path(holder.name)
        cls.train, cls.test = write_cifar10(cls.root)

    def command(self, model, out, *more):
        return [str(word) for word in (
            BIN / "ipirm-features", "--model_path", model, "--dataset", "CIFAR10", "--data_root", self.root, "--workers", 2,
            "--device", "cpu", "--batch_size", 16, "--out", out, "--overwrite", *more)]

    def check(self, model, net, kind, split="test"):
        """Every row, in the set's order, and its label."""
        out = self.root / "f.npy"
        result = subprocess.run(self.command(model, out, "--feature", kind, "--split", split), env=ENV,
                                capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        images, labels = self.train if split == "train" else self.test
        with torch.no_grad():
            h = net.encode(images)
            feature, z = net(images)
        expected = {"h": h, "h_normalized": feature, "z": z}[kind].numpy()
        found = np.load(out)
        self.assertEqual((found.dtype, found.shape), (np.float32, expected.shape))
        # Rows are far enough apart that one in another's place is found.
        self.assertGreater(np.abs(expected[:-1] - expected[1:]).max(axis=1).min(), 100 * TOLERANCE * np.abs(expected).max())
        self.assertLessEqual(np.abs(found - expected).max(), TOLERANCE * np.abs(expected).max(), (model.name, kind))
        rows = [f"{i},{label}" for i, label in enumerate(labels)]
        self.assertEqual((self.root / "f.csv").read_text(), "\n".join(["index,label", *rows, ""]))

    def test_of_our_files(self):
        run = subprocess.run([str(word) for word in (
            BIN / "ipirm-train", "--dataset", "CIFAR10", "--data_root", self.root, "--arch", "resnet18", "--width", 16,
            "--feature_dim", 16, "--batch_size", 20, "--epochs", 1, "--baseline", "--workers", 2, "--device", "cpu", "--name",
            "run", "--results_root", self.root / "results")], env=ENV, capture_output=True, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stderr)
        folder = self.root / "results" / "CIFAR10" / "run"
        state = torch.load(folder / "model_1.pt", weights_only=True)
        net = Net("resnet18", 16, 16)
        net.load_state_dict({name.removeprefix("module."): tensor for name, tensor in state.items()})
        for kind in ("h", "h_normalized", "z"):
            self.check(folder / "model_1.pt", net.eval(), kind)
        self.check(folder / "model_1.pt", net, "h", "train")
        self.check(folder / "state.pt", net, "z", "train")

    def test_of_the_references_files(self):
        net = trained_like("resnet50")
        torch.save(torch.nn.DataParallel(net).state_dict(), self.root / "model_1.pth")
        for kind in ("h", "h_normalized", "z"):
            self.check(self.root / "model_1.pth", net, kind)

    def test_of_torchvisions_names(self):
        net = trained_like("resnet50")
        state = expected_export(net.state_dict())
        torch.save({**state, "fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}, self.root / "resnet.pth")
        for kind in ("h", "h_normalized"):
            self.check(self.root / "resnet.pth", net, kind)
        result = subprocess.run(self.command(self.root / "resnet.pth", self.root / "z.npy", "--feature", "z"), env=ENV,
                                capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 2)
        self.assertIn("resnet.pth holds no projection head", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertFalse((self.root / "z.npy").exists())

    def test_ctrl_c_leaves_no_file(self):
        torch.save(trained_like("resnet50").state_dict(), self.root / "slow.pt")
        out = self.root / "never.npy"
        # Batches of one of 1,437 images: seconds of work.
        process = subprocess.Popen(
            self.command(self.root / "slow.pt", out, "--dataset", "ColoredDigits", "--batch_size", 1), env=ENV,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        temporary = pathlib.Path(f"{out}.tmp")
        deadline = time.monotonic() + 60
        seen = 0
        while not seen and time.monotonic() < deadline:
            time.sleep(0.005)
            # Twice in a row: the first may be the try whether the name can be written at all.
            seen = temporary.exists() and (time.sleep(0.05) or temporary.exists())
        process.send_signal(signal.SIGINT)
        printed, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, printed + err)
        self.assertIn("nothing was written", printed)
        self.assertFalse(out.exists() or temporary.exists() or (self.root / "never.csv").exists())


if __name__ == "__main__":
    unittest.main()
