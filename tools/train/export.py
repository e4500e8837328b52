"""Write the averaged weights of a checkpoint as a plain state dict.

    python tools/train/export.py --run RUN --out model.safetensors

The file holds the 199 tensors of the network under BrainMaGe's names, in
float32, ready for evaluation mode; with --half the convolutions are float16 (the
norms stay float32: a stored variance may exceed float16). An `.pt` target is
written as {"model_state_dict": ...}.
"""

import argparse
import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from network import ResUNet, widths_of


def load_weights(path):
    """Network in evaluation mode from a .safetensors or .pt state dict."""
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        state = torch.load(path, weights_only=True)["model_state_dict"]
    model = ResUNet(widths_of(state))
    model.load_state_dict({k: v.to(model.state_dict()[k].dtype) for k, v in state.items()})
    return model.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--half", action="store_true", help="store convolutions as float16")
    options = parser.parse_args()
    checkpoint = torch.load(options.run / "checkpoint.pt", weights_only=True)
    state = {}
    for name, value in checkpoint["average"].items():
        value = value.contiguous()
        if options.half and ".conv" in name:
            value = value.half()
        state[name] = value
    if options.out.suffix == ".safetensors":
        save_file(state, options.out)
    else:
        torch.save({"model_state_dict": state}, options.out)
    digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
    print(f"{options.out.name}: step {checkpoint['total']}, sha256 {digest}")


if __name__ == "__main__":
    main()
