"""Writes the small checkpoints that the converter's tests read.

    python tools/py/make_checkpoints.py --out tools/tests/checkpoints

- `tensors-zip.pt`, `tensors-stream.pt`: tensors of every element type, strides and sharing, in the
  form of PyTorch 1.6 and later, and in the one before.
- `lightning-half.ckpt`: what a training program saves of a `resunet` of width 1, in half precision.
- `meshnet.safetensors`: a MeshNet of 5 hidden layers.
- `malicious.pt`: a pickle that would run a command if it were loaded.
"""

import argparse
import json
import os
import struct
from collections import OrderedDict
from pathlib import Path

import torch

import synthetic
from networks import MeshNet, ResUNet


def tensors():
    """A state dict of awkward tensors; tools/tests/checkpoints.rs knows their values."""
    ramp = torch.arange(24, dtype=torch.float32) / 4 - 2
    return OrderedDict(
        f32=ramp.reshape(2, 3, 4),
        f16=ramp[:5].half(),
        bf16=ramp[:5].bfloat16(),
        f64=ramp[:5].double(),
        i64=torch.tensor(-3),
        transposed=ramp.reshape(4, 6).T,
        window=ramp.reshape(4, 6)[1:3, 2:5],
        parameter=torch.nn.Parameter(ramp[:2].clone()),
        empty=torch.zeros(0, 3),
    )


class Callback:
    """Stands for the objects that training programs save beside the tensors."""

    def __init__(self):
        self.best = torch.tensor(0.5)
        self.history = {"loss": [1.5, 2], "names": {"a", "b"}, "limits": (None, True, b"x")}


class Command:
    def __reduce__(self):
        return os.system, ("echo this must never be printed",)


def lightning():
    network = synthetic.fill(ResUNet(base=1)).half()
    return {
        "epoch": 3,
        "global_step": 2**40,
        "pytorch-lightning_version": "1.9.0",
        "callbacks": {Callback: Callback()},
        "optimizer_states": [{"state": {0: {"step": 7, "exp_avg": torch.ones(3)}}}],
        "state_dict": OrderedDict(
            (f"model.{name}", value) for name, value in network.state_dict().items()),
    }


def write_safetensors(path, state):
    header, data = {}, b""
    for name, value in state.items():
        raw = value.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    state = {"model_state_dict": tensors()}
    torch.save(state, out / "tensors-zip.pt")
    torch.save(state, out / "tensors-stream.pt", _use_new_zipfile_serialization=False)
    torch.save(lightning(), out / "lightning-half.ckpt")
    write_safetensors(out / "meshnet.safetensors", synthetic.fill(MeshNet(5, 3)).state_dict())
    torch.save({"weight": torch.zeros(1), "attack": Command()}, out / "malicious.pt")


if __name__ == "__main__":
    main()
