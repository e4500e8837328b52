"""The residual 3-D U-Net of BrainMaGe, with two output channels.

Tensor names and shapes follow BrainMaGe's published `resunet` checkpoints, so a
state dict trained with its widths can be read by anything that reads those; only
`out.conv3` differs (two channels). Inputs are (batch, 1, D, H, W) float tensors with
every spatial size a multiple of 16; outputs are logits (batch, 2, D, H, W).
"""

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.01
WIDTHS = {  # channels at full, half, ... sixteenth resolution
    "default": (16, 32, 64, 128, 256),
    "tiny": (16, 32, 32, 32, 32),
}


class StoredNorm(nn.Module):
    """Per-channel normalisation whose inference form uses stored statistics.

    Evaluation always computes (x - running_mean) / sqrt(running_var + eps).
    Training follows `mode`:

    - "batch": statistics of the batch, as batch normalisation;
    - "renorm": the forward value is that of evaluation (up to the clip), while
      gradients flow through the batch statistics (batch renormalisation);
    - "frozen": stored statistics as constants, no update.
    """

    def __init__(self, channels, eps=1e-5, momentum=0.02):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))
        self.eps = eps
        self.momentum = momentum
        self.mode = "batch"
        self.clip = (1.0, 0.0)  # largest scale ratio, largest shift in std units

    def forward(self, x):
        """x: (batch, channels, D, H, W); returns the same shape."""
        if not self.training or self.mode == "frozen":
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias,
                False, 0.0, self.eps)
        if self.mode == "batch":
            self.num_batches_tracked += 1
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias,
                True, self.momentum, self.eps)
        with torch.no_grad():
            old_mean, old_var = self.running_mean.clone(), self.running_var.clone()
            mean, var = torch.zeros_like(old_mean), torch.ones_like(old_var)
        # momentum 1 turns the buffers into this batch's own statistics
        y = functional.batch_norm(x, mean, var, None, None, True, 1.0, self.eps)
        with torch.no_grad():
            ratio, shift = self.clip
            old_std = torch.sqrt(old_var + self.eps)
            r = (torch.sqrt(var + self.eps) / old_std).clamp(1.0 / ratio, ratio)
            d = ((mean - old_mean) / old_std).clamp(-shift, shift)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var, self.momentum)
            self.num_batches_tracked += 1
        scale = (self.weight * r).view(1, -1, 1, 1, 1)
        offset = (self.weight * d + self.bias).view(1, -1, 1, 1, 1)
        return y * scale.to(y.dtype) + offset.to(y.dtype)


def activate(x):
    return functional.leaky_relu(x, SLOPE)


def conv(inputs, outputs, size=3, stride=1):
    return nn.Conv3d(inputs, outputs, size, stride=stride, padding=size // 2)


class Entry(nn.Module):
    """One channel to `channels`, full resolution."""

    def __init__(self, channels):
        super().__init__()
        self.in_0 = StoredNorm(channels)
        self.in_1 = StoredNorm(channels)
        self.conv0 = conv(1, channels)
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x):
        x = self.conv0(x)
        y = self.conv1(activate(self.in_0(x)))
        return self.conv2(activate(self.in_1(y))) + x


class Down(nn.Module):
    """Halves the grid."""

    def __init__(self, fine, coarse):
        super().__init__()
        self.in_0 = StoredNorm(coarse)
        self.conv0 = conv(fine, coarse, stride=2)

    def forward(self, x):
        return activate(self.in_0(self.conv0(x)))


class Encode(nn.Module):
    """Residual block at constant shape."""

    def __init__(self, channels, dropout):
        super().__init__()
        self.in_0 = StoredNorm(channels)
        self.in_1 = StoredNorm(channels)
        self.conv0 = conv(channels, channels)
        self.conv1 = conv(channels, channels)
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, x):
        y = self.dropout(self.conv0(activate(self.in_0(x))))
        return self.conv1(activate(self.in_1(y))) + x


class Up(nn.Module):
    """Doubles the grid.

    The 1x1x1 convolution commutes with the interpolation, so it runs first, on
    the small grid.
    """

    def __init__(self, coarse, fine):
        super().__init__()
        self.conv0 = conv(coarse, fine, size=1)

    def forward(self, x):
        return functional.interpolate(
            self.conv0(x), scale_factor=2, mode="trilinear", align_corners=True)


class Decode(nn.Module):
    """Concatenated (upsampled, skip) pair, of `channels` each, to `channels` channels."""

    def __init__(self, channels):
        super().__init__()
        self.in_0 = StoredNorm(2 * channels)
        self.in_1 = StoredNorm(channels)
        self.in_2 = StoredNorm(channels)
        self.conv0 = conv(2 * channels, channels)
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, up, skip):
        x = self.conv0(activate(self.in_0(torch.cat([up, skip], dim=1))))
        y = self.conv1(activate(self.in_1(x)))
        return self.conv2(activate(self.in_2(y))) + x


class Exit(nn.Module):
    """Last decoder block and the 1x1x1 classifier."""

    def __init__(self, channels, outputs):
        super().__init__()
        self.in_0 = StoredNorm(2 * channels)
        self.in_1 = StoredNorm(channels)
        self.in_2 = StoredNorm(channels)
        self.in_3 = StoredNorm(channels)
        self.conv0 = conv(2 * channels, channels)
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)
        self.conv3 = conv(channels, outputs, size=1)

    def forward(self, up, skip):
        x = self.conv0(activate(self.in_0(torch.cat([up, skip], dim=1))))
        y = self.conv1(activate(self.in_1(x)))
        y = self.conv2(activate(self.in_2(y))) + x
        return self.conv3(activate(self.in_3(y)))


class ResUNet(nn.Module):
    """Logits of (brain with CSF inside the skull, brain tissue)."""

    def __init__(self, widths=WIDTHS["default"], outputs=2, dropout=0.0):
        super().__init__()
        self.ins = Entry(widths[0])
        for level in range(4):
            self.add_module(f"ds_{level}", Down(widths[level], widths[level + 1]))
            self.add_module(f"en_{level + 1}", Encode(widths[level + 1], dropout))
        for level in (3, 2, 1):
            self.add_module(f"us_{level}", Up(widths[level + 1], widths[level]))
            self.add_module(f"de_{level}", Decode(widths[level]))
        self.us_0 = Up(widths[1], widths[0])
        self.out = Exit(widths[0], outputs)

    def forward(self, x):
        """x: (batch, 1, D, H, W); returns logits (batch, 2, D, H, W)."""
        x1 = self.ins(x)
        x2 = self.en_1(self.ds_0(x1))
        x3 = self.en_2(self.ds_1(x2))
        x4 = self.en_3(self.ds_2(x3))
        y = self.en_4(self.ds_3(x4))
        y = self.de_3(self.us_3(y), x4)
        y = self.de_2(self.us_2(y), x3)
        y = self.de_1(self.us_1(y), x2)
        return self.out(self.us_0(y), x1)

    def set_norm(self, mode, ratio=1.0, shift=0.0):
        """Choose the training behaviour of every norm (see StoredNorm)."""
        for module in self.modules():
            if isinstance(module, StoredNorm):
                module.mode = mode
                module.clip = (ratio, shift)


def widths_of(state):
    """Channels of the five levels of a state dict."""
    names = ["ins"] + [f"ds_{level}" for level in range(4)]
    return tuple(len(state[f"{name}.conv0.weight"]) for name in names)
