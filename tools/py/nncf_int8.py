"""Quantises the network with NNCF and compares OpenVINO's int8 masks with its f32 masks.

    pip install torch safetensors onnx openvino nncf nibabel scipy
    python tools/py/nncf_int8.py --weights tools/train/weights/endocast.safetensors [--every 1]

The weights are those that the shipped model was converted from. Calibration scans are those of
`tools/train/quantize.sh`; test scans are those of validation.tsv. All are brought onto the network's grid
by `tools/train/dataset.py`, and masks (largest component, holes filled) are compared on that grid.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import nncf
import numpy as np
import openvino
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/train"))

import dataset  # noqa: E402
import distil  # noqa: E402
import references  # noqa: E402
from bench_peers import with_batch_norm  # noqa: E402
from evaluate import dice_of, largest_filled, surface_distance  # noqa: E402
from networks import ResUNet  # noqa: E402
from synthesis import FIELD_OF_VIEW  # noqa: E402

PRESETS = {"performance": nncf.QuantizationPreset.PERFORMANCE, "mixed": nncf.QuantizationPreset.MIXED}


def mask_of(compiled, image):
    return [largest_filled(channel >= 0.5) for channel in compiled(image)[0][0]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--grid", type=int, default=96)
    parser.add_argument("--every", type=int, default=1, help="take every n-th test scan only")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    def grid_of(name):
        scan = dataset.load(options.data / "images" / f"{name}.nii.gz")
        return dataset.to_grid(scan, options.grid)[0][None, None]

    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        network = ResUNet(16, outputs=2)
        state = load_file(options.weights)
        network.load_state_dict({name: value.float() for name, value in state.items()})
        torch.onnx.export(with_batch_norm(network), (torch.zeros(1, 1, *[options.grid] * 3),), path, dynamo=False)
        single = core.read_model(path)
        settings = {"INFERENCE_NUM_THREADS": options.threads}
        calibration = [grid_of(name) for name in distil.SCANS + references.SCANS]
        reference = core.compile_model(single, "CPU", settings | {"INFERENCE_PRECISION_HINT": "f32"})
        compiled = {}
        for preset, value in PRESETS.items():
            quantised = nncf.quantize(core.read_model(path), nncf.Dataset(calibration), preset=value,
                                      subset_size=len(calibration))
            compiled[preset] = core.compile_model(quantised, "CPU", settings)
    found = {preset: [] for preset in PRESETS}
    spacing = np.full(3, FIELD_OF_VIEW / options.grid)
    for row in dataset.read_validation()[::options.every]:
        image = grid_of(row["name"])
        channel = int(row["reference"] == "tight")
        expected = mask_of(reference, image)[channel]
        for preset in PRESETS:
            mask = mask_of(compiled[preset], image)[channel]
            values = dice_of(mask, expected), surface_distance(mask, expected, spacing), row["name"]
            found[preset].append(values)
            print(f"{row['name']} {preset}: {values[0]:.4f} {values[1]:.2f} mm", flush=True)
    print("\n| NNCF preset | scans | median Dice | worst Dice | median HD95 mm | largest HD95 mm |")
    print("|---|---|---|---|---|---|")
    for preset, values in found.items():
        dice, hd95, _ = zip(*values)
        print(f"| {preset} | {len(dice)} | {statistics.median(dice):.4f} | {min(values)[0]:.4f} "
              f"({min(values)[2]}) | {statistics.median(hd95):.2f} | {max(hd95):.2f} |")


if __name__ == "__main__":
    main()
