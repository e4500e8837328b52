"""Writes what PyTorch makes of the synthetic networks and images, in double precision, for tests.

    python tools/py/dump_networks.py --out tests/data/networks [--mindgrab net_mindgrab.safetensors]

For every case tables of tab-separated values:

- `<case>.blocks.tsv`: name of a node of the unfolded graph, mean, standard deviation, minimum and
  maximum over all channels and voxels;
- `<case>.layers.tsv`, of small grids: name of such a node, channel, z, y, x of a voxel, and its value;
- `<case>.output.tsv`: channel, z, y, x of a voxel of the output, and its probability.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np
import torch

import synthetic
from networks import FCN, MeshNet, ResUNet

SAMPLES = 512
SAMPLES_PER_LAYER = 16
LARGEST_GRID_WITH_LAYERS = 32


def node_name(network, module):
    """Name of the graph's node that holds the result of a module, or None."""
    block, _, part = module.partition(".")
    if isinstance(network, MeshNet):  # the activations
        index = int(part or 0)
        return f"act_{index // 3}" if index % 3 == 2 else None
    if part:
        return None
    if isinstance(network, FCN):  # blocks end in a convolution, branches in an upsampling
        return {"ins": "ins.conv2", "en": f"{block}.conv1", "us": f"{block}.up"}.get(
            block.split("_")[0], block) if block != "us_0" else "us_0.conv0"
    return f"{block}.conv0" if block.startswith("us_") else block


def run(network, image):
    """Output (channels, D, H, W), the statistics of the named nodes, and values of each."""
    blocks, layers = {}, {}

    def record(name):
        def hook(_module, _inputs, result):
            x = result.double()
            blocks[name] = [f(x).item() for f in (
                torch.mean, lambda x: x.std(correction=0), torch.min, torch.max)]
            values = x[0].numpy()
            indices = sorted(set(draw(f"samples {name}", SAMPLES_PER_LAYER, values.size)))
            layers[name] = [(np.unravel_index(i, values.shape), values.flat[i]) for i in indices]
        return hook

    for module, child in network.named_modules():
        if module and (name := node_name(network, module)):
            child.register_forward_hook(record(name))
    network = network.double()
    with torch.inference_mode():
        output = network(torch.from_numpy(image)[None].double())[0]
    return output.numpy(), blocks, layers


def draw(name, count, size):
    """`count` indices below `size`."""
    return np.floor((synthetic.uniform(name, count) + 1) / 2 * size).astype(int)


def write_layers(folder, case, layers):
    with open(folder / f"{case}.layers.tsv", "w") as file:
        print("node", "channel", "z", "y", "x", "value", sep="\t", file=file)
        for name, samples in layers.items():
            for position, value in samples:
                print(name, *position, f"{value:.9e}", sep="\t", file=file)


def write(folder, case, output, blocks):
    with open(folder / f"{case}.blocks.tsv", "w") as file:
        print("node", "mean", "std", "min", "max", sep="\t", file=file)
        for name, statistics in blocks.items():
            print(name, *(f"{value:.9e}" for value in statistics), sep="\t", file=file)
    # Half the voxels anywhere, half where the decision is close.
    flat = output.reshape(-1)
    draws = draw("samples", SAMPLES // 2, flat.size)
    close = np.argsort(abs(flat - 0.5), kind="stable")[:8 * SAMPLES:16]
    with open(folder / f"{case}.output.tsv", "w") as file:
        print("channel", "z", "y", "x", "probability", sep="\t", file=file)
        for index in sorted(set(draws) | set(close)):
            position = np.unravel_index(index, output.shape)
            print(*position, f"{flat[index]:.9e}", sep="\t", file=file)


def load_mindgrab(path):
    """MindGrab as brainchop publishes it for PyTorch; its last layer has no bias there."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length])
    network = MeshNet()
    state = {"model.75.bias": torch.zeros(2)}
    for name, entry in header.items():
        if name.startswith("model."):
            begin, end = entry["data_offsets"]
            values = np.frombuffer(raw, "<f4", (end - begin) // 4, 8 + length + begin)
            state[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    network.load_state_dict(state)
    return network.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mindgrab", type=Path)
    parser.add_argument("--only", help="name of the one case to run")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cases = {
        "resunet-base4-grid32": (lambda: synthetic.fill(ResUNet(4)), 1, 32),
        "resunet-base4-outputs2-grid32": (lambda: synthetic.fill(ResUNet(4, 1, 2)), 1, 32),
        "resunet-base16-grid128": (lambda: synthetic.fill(ResUNet(16)), 1, 128),
        "multi4-base4-grid32": (lambda: synthetic.fill(ResUNet(4, 4)), 4, 32),
        "fcn-base4-grid32": (lambda: synthetic.fill(FCN(4)), 1, 32),
        "meshnet-layers5-channels5-grid20": (lambda: synthetic.fill(MeshNet(5, 5)), 1, 20),
    }
    if options.mindgrab:
        for grid in (20, 64):
            cases[f"mindgrab-grid{grid}"] = (lambda: load_mindgrab(options.mindgrab), 1, grid)
    for case, (network, channels, grid) in cases.items():
        if options.only in (None, case):
            output, blocks, layers = run(network(), synthetic.image(channels, grid))
            write(options.out, case, output, blocks)
            if grid <= LARGEST_GRID_WITH_LAYERS:
                write_layers(options.out, case, layers)
            print(case, "mean", output.mean(), "above 0.5:", (output > 0.5).mean())


if __name__ == "__main__":
    main()
