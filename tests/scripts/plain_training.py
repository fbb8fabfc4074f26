# Training in plain PyTorch, and files that ipirm-train reads: what its steps are compared with. Needs PyTorch alone, no numpy.
import ctypes
import pathlib
import struct

import torch
from torch import nn
from torch.nn import functional as F

from plain_ops import eager_environment_loss

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
TENSOR_TYPES = {torch.float32: "<f4", torch.float64: "<f8"}


def bytes_of(tensor):
    """A tensor's values in C order."""
    tensor = tensor.cpu().contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def write_npy(path, tensor):
    """What numpy.save() would write."""
    header = str({"descr": TENSOR_TYPES[tensor.dtype], "fortran_order": False, "shape": tuple(tensor.shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    pathlib.Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes_of(tensor))


def write_cifar10(root, images, labels):
    """images: (N, 3, 32, 32) uint8, N a multiple of 5; labels: (N) uint8. Ten of them are the test set."""
    folder = pathlib.Path(root) / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    records = torch.cat([labels.view(-1, 1), images.flatten(1)], 1)
    for number, part in enumerate(records.chunk(5), 1):
        (folder / f"data_batch_{number}.bin").write_bytes(bytes_of(part))
    (folder / "test_batch.bin").write_bytes(bytes_of(torch.cat([torch.arange(10, dtype=torch.uint8).view(-1, 1), images[:10].flatten(1)], 1)))


def pictures(count):
    """Waves of random colour, direction and length: pictures that differ as photographs do, (count, 3, 32, 32) uint8."""
    x, y = torch.arange(32) / 32, torch.arange(32).view(32, 1) / 32

    def uniform(low, high):
        return torch.empty(count, 3, 1, 1).uniform_(low, high)

    waves = [torch.sin(2 * torch.pi * (uniform(-3, 3) * y + uniform(-3, 3) * x) + uniform(0, 6)) for _ in range(2)]
    return (uniform(40, 215) + 40 * sum(waves)).clamp(0, 255).to(torch.uint8)


def normalised(images):
    """As ipirm-train feeds a CIFAR-10 image to the network."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def calm(model):
    """Residual branches start small (their last BatchNorm's weight .05). From PyTorch's own start, where all images have
    nearly the same features, rounding grows a hundredfold a step: two plain PyTorch loops, one channels-last and one
    not, then differ by 1e-2 at step 3, and no comparison could tell a fault from rounding."""
    for module in model.modules():
        if hasattr(module, "bn3"):
            nn.init.constant_(module.bn3.weight, 0.05)
    return model


def simclr_loss(z1, z2, temperature):
    """The contrastive loss as SimCLR code commonly has it, eager: mean of -log(pos / sum over all but itself)."""
    z = torch.cat([z1, z2])
    views = z.shape[0]
    similarity = torch.exp(torch.mm(z, z.t()) / temperature)
    others = ~torch.eye(views, dtype=torch.bool, device=z.device)
    total = similarity.masked_select(others).view(views, -1).sum(dim=-1)
    positive_pair = torch.exp((z1 * z2).sum(dim=-1) / temperature)
    return -torch.log(torch.cat([positive_pair, positive_pair]) / total).mean()


def objective(z1, z2, environment, num_env, temperature, irm_temperature, penalty_weight):
    """METHOD 4 with keep_cont and a weight of 1 at most, by autograd: loss, contrastive term, penalty. environment: (P, B)."""
    contrastive, penalty = eager_environment_loss(z1, z2, environment, num_env, temperature, irm_temperature)
    whole_batch = F.cross_entropy(*all_logits(z1, z2, temperature))
    return contrastive.mean() + whole_batch + penalty_weight * penalty.mean(), contrastive.mean(), penalty.mean()


def all_logits(z1, z2, temperature):
    """(2B, 2B) logits, a view's own left out, and each view's positive."""
    z = torch.cat([z1, z2])
    views = len(z)
    logits = (z @ z.t() / temperature).masked_fill(torch.eye(views, dtype=torch.bool, device=z.device), -torch.inf)
    return logits, (torch.arange(views, device=z.device) + views // 2) % views
