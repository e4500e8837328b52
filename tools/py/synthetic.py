"""Checkpoints and images made from nothing, the same here and in tools/src/synthetic.rs.

Every number is a hash of its tensor's name and its index.
"""

import numpy as np
import torch


def uniform(name, count):
    """`count` numbers in [-1, 1), multiples of 2^-23: the top 24 bits of the outputs of a
    splitmix64 generator seeded with the 64-bit FNV-1a hash of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(seed)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def tensor(name, shape):
    """float32 array of a tensor of a checkpoint; what it holds depends on the name's last part."""
    u = uniform(name, int(np.prod(shape)))
    part = name.rsplit(".", 1)[-1]
    if part == "weight" and len(shape) > 1:
        u = u * np.sqrt(3.0 / np.prod(shape[1:]))
    elif part == "weight":
        u = 1.0 + u / 4.0
    elif part == "running_mean":
        u = u * 0.3
    elif part == "running_var":
        u = 1.0 + u / 2.0
    elif part == "num_batches_tracked":
        u = np.ones_like(u)
    else:
        u = u / 10.0
    return u.astype(np.float32).reshape(shape)


def fill(network):
    """Gives every tensor of a torch module its synthetic values; returns the module."""
    state = network.state_dict()
    network.load_state_dict({
        name: torch.from_numpy(tensor(name, tuple(old.shape))).to(old.dtype)
        for name, old in state.items()
    })
    return network.eval()


def image(channels, grid):
    """float32 (channels, grid, grid, grid): half a parabolic bump, half noise."""
    x = (2 * np.arange(grid) + 1) / grid - 1.0
    bump = 1.0 - x * x
    bump = bump[:, None, None] * bump[:, None] * bump
    noise = uniform("image", channels * grid**3).reshape(channels, grid, grid, grid)
    return (bump * 0.5 + noise * 0.5).astype(np.float32)
