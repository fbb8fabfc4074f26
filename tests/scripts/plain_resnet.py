# The network of METHOD section 3 in plain PyTorch: what the C++ model is compared with, in values and in speed.
"""Net(arch, width, feature_dim): parameter names, shapes and order of tests/golden/model/state_dict_keys.csv without
the leading "module."."""
import torch
from torch import nn
from torch.nn import functional as F

ARCHITECTURES = {  # blocks in each stage, whether they are bottlenecks
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
}


def convolution(inputs, outputs, kernel, stride):
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class Block(nn.Module):
    def __init__(self, inputs, channels, stride, bottleneck):
        super().__init__()
        if bottleneck:
            shapes = ((channels, 1, 1), (channels, 3, stride), (4 * channels, 1, 1))
        else:
            shapes = ((channels, 3, stride), (channels, 3, 1))
        width = inputs
        for number, (outputs, kernel, step) in enumerate(shapes, 1):
            setattr(self, f"conv{number}", convolution(width, outputs, kernel, step))
            setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))
            width = outputs
        self.convolutions = len(shapes)
        self.downsample = None
        if stride != 1 or width != inputs:
            self.downsample = nn.Sequential(convolution(inputs, width, 1, stride), nn.BatchNorm2d(width))
        self.outputs = width

    def forward(self, x):
        y = x
        for number in range(1, self.convolutions + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.convolutions:
                y = F.relu(y, inplace=True)
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class Net(nn.Module):
    def __init__(self, arch="resnet50", width=64, feature_dim=128):
        super().__init__()
        blocks, bottleneck = ARCHITECTURES[arch]
        layers = [nn.Conv2d(3, width, 3, stride=1, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        inputs = width
        for stage, count in enumerate(blocks):
            stage_blocks = []
            for b in range(count):
                stride = 2 if stage > 0 and b == 0 else 1
                stage_blocks.append(Block(inputs, width << stage, stride, bottleneck))
                inputs = stage_blocks[-1].outputs
            layers.append(nn.Sequential(*stage_blocks))
        layers.append(nn.AdaptiveAvgPool2d((1, 1)))
        self.f = nn.Sequential(*layers)
        self.g = nn.Sequential(nn.Linear(inputs, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(inplace=True),
                               nn.Linear(512, feature_dim, bias=True))
        self.feature_size = inputs

    def encode(self, images):
        """h, (B, feature_size)."""
        return torch.flatten(self.f(images), start_dim=1)

    def forward(self, images):
        """h/|h| and g(h)/|g(h)|."""
        h = self.encode(images)
        return F.normalize(h, dim=-1), F.normalize(self.g(h), dim=-1)
