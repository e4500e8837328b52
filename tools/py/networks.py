"""The networks that the converter knows, under the tensor names of their checkpoints.

Inputs are (batch, channels, D, H, W) tensors; outputs are probabilities (batch, outputs, D, H, W).
Only evaluation is meant: norms of the BrainMaGe networks use their stored statistics.
"""

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.01
DILATIONS = (16, 8, 4, 2, 1)


def conv(inputs, outputs, size=3, stride=1):
    return nn.Conv3d(inputs, outputs, size, stride=stride, padding=size // 2)


def norm(channels):
    return nn.InstanceNorm3d(channels, affine=True, track_running_stats=True)


def act(x):
    return functional.leaky_relu(x, SLOPE)


def upsample(x, factor):
    return functional.interpolate(
        x, scale_factor=factor, mode="trilinear", align_corners=True)


class Entry(nn.Module):
    def __init__(self, inputs, channels, residual):
        super().__init__()
        self.in_0 = norm(channels)
        self.in_1 = norm(channels)
        self.conv0 = conv(inputs, channels)
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)
        self.residual = residual

    def forward(self, x):
        first = self.conv0(x)
        x = self.conv1(act(self.in_0(first)))
        x = self.conv2(act(self.in_1(x)))
        return x + first if self.residual else x


class Down(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.in_0 = norm(2 * inputs)
        self.conv0 = conv(inputs, 2 * inputs, stride=2)

    def forward(self, x):
        return act(self.in_0(self.conv0(x)))


class Encode(nn.Module):
    def __init__(self, channels, residual):
        super().__init__()
        self.in_0 = norm(channels)
        self.in_1 = norm(channels)
        self.conv0 = conv(channels, channels)
        self.conv1 = conv(channels, channels)
        self.residual = residual

    def forward(self, x):
        y = self.conv0(act(self.in_0(x)))
        y = self.conv1(act(self.in_1(y)))
        return y + x if self.residual else y


class Up(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.conv0 = conv(inputs, inputs // 2, size=1)

    def forward(self, x):
        return self.conv0(upsample(x, 2))


class Decode(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        channels = inputs // 2
        self.in_0 = norm(inputs)
        self.in_1 = norm(channels)
        self.in_2 = norm(channels)
        self.conv0 = conv(inputs, channels)
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, upsampled, skip):
        x = torch.cat([upsampled, skip], dim=1)
        first = self.conv0(act(self.in_0(x)))
        x = self.conv1(act(self.in_1(first)))
        return self.conv2(act(self.in_2(x))) + first


class Out(Decode):
    def __init__(self, inputs, outputs):
        super().__init__(inputs)
        self.in_3 = norm(inputs // 2)
        self.conv3 = conv(inputs // 2, outputs, size=1)

    def forward(self, upsampled, skip):
        x = super().forward(upsampled, skip)
        return torch.sigmoid(self.conv3(act(self.in_3(x))))


class ResUNet(nn.Module):
    """BrainMaGe's `resunet`; 4 inputs make it `multi_4`."""

    def __init__(self, base=16, inputs=1, outputs=1):
        super().__init__()
        self.ins = Entry(inputs, base, residual=True)
        for level in range(4):
            self.add_module(f"ds_{level}", Down(base << level))
            self.add_module(f"en_{level + 1}", Encode(base << level + 1, residual=True))
        for level in (3, 2, 1, 0):
            self.add_module(f"us_{level}", Up(base << level + 1))
            if level:
                self.add_module(f"de_{level}", Decode(base << level + 1))
        self.out = Out(2 * base, outputs)

    def forward(self, x):
        levels = [self.ins(x)]
        for level in range(4):
            x = self.get_submodule(f"ds_{level}")(levels[level])
            levels.append(self.get_submodule(f"en_{level + 1}")(x))
        x = levels[4]
        for level in (3, 2, 1):
            x = self.get_submodule(f"us_{level}")(x)
            x = self.get_submodule(f"de_{level}")(x, levels[level])
        return self.out(self.us_0(x), levels[0])


class Branch(nn.Module):
    def __init__(self, inputs, factor):
        super().__init__()
        self.conv0 = conv(inputs, 1, size=1)
        self.factor = factor

    def forward(self, x):
        x = self.conv0(x)
        return upsample(x, self.factor) if self.factor > 1 else x


class FCN(nn.Module):
    """BrainMaGe's `fcn`."""

    def __init__(self, base=16):
        super().__init__()
        self.ins = Entry(1, base, residual=False)
        for level in range(4):
            self.add_module(f"ds_{level}", Down(base << level))
            self.add_module(f"en_{level + 1}", Encode(base << level + 1, residual=False))
        for level in (4, 3, 2, 1, 0):
            self.add_module(f"us_{level}", Branch(base << level, 1 << level))
        self.conv_0 = conv(5, 1, size=1)

    def forward(self, x):
        levels = [self.ins(x)]
        for level in range(4):
            x = self.get_submodule(f"ds_{level}")(levels[level])
            levels.append(self.get_submodule(f"en_{level + 1}")(x))
        branches = [self.get_submodule(f"us_{level}")(levels[level]) for level in (4, 3, 2, 1, 0)]
        return torch.sigmoid(self.conv_0(torch.cat(branches, dim=1)))


class MeshNet(nn.Module):
    """MeshNet with group norm per channel; 25 hidden layers of 15 channels make it MindGrab.

    Returns the brain's probability of two classes, background and brain.
    """

    def __init__(self, hidden=25, channels=15):
        super().__init__()
        layers = []
        for index in range(hidden):
            dilation = DILATIONS[index % len(DILATIONS)]
            layers += [
                nn.Conv3d(channels if index else 1, channels, 3, padding=dilation,
                          dilation=dilation, bias=False),
                nn.GroupNorm(channels, channels, affine=False),
                nn.GELU(),
            ]
        layers.append(nn.Conv3d(channels, 2, 1))
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return torch.softmax(self.model(x), dim=1)[:, 1:]
