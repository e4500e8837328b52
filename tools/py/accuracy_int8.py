"""Compares int8 models with their f32 model on the validation scans, for docs/quantization.md.

    cargo build --release
    python tools/py/accuracy_int8.py weights/endocast.model INT8_MODEL... [--every 1] [--threads 2]

For each model the median and worst Dice of its masks against those of the first model, the median and
largest HD95, and the mean change of Dice and HD95 against the reference masks, all on each scan's own
grid. Scans whose reference is tissue ("tight") are compared with `--no-csf`.
"""

import argparse
import csv
import statistics
import subprocess
import tempfile
from pathlib import Path

from accuracy_table import ENDOCAST, ROOT, compare


def extract(scan, mask, model, tissue, threads):
    command = [ENDOCAST, "extract", scan, "-m", mask, "--model", model, "--quiet", "--force", "--qc-exit", "0"]
    command += ["--threads", str(threads)] + ["--no-csf"] * tissue
    subprocess.run(command, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("single", type=Path)
    parser.add_argument("int8", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--every", type=int, default=1, help="take every n-th scan only")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with open(ROOT / "tools/train/validation.tsv") as file:
        scans = list(csv.DictReader(file, delimiter="\t"))[::options.every]
    agreement = {model: [] for model in options.int8}
    changes = {model: [] for model in options.int8}
    with tempfile.TemporaryDirectory() as folder:
        expected, mask = Path(folder) / "f32.nii.gz", Path(folder) / "int8.nii.gz"
        for scan in scans:
            name, tissue = scan["name"], scan["reference"] == "tight"
            image = options.data / "images" / f"{name}.nii.gz"
            reference = options.data / "masks" / f"{name}.nii.gz"
            extract(image, expected, options.single, tissue, options.threads)
            before = compare(expected, reference) if reference.exists() else None
            for model in options.int8:
                extract(image, mask, model, tissue, options.threads)
                found = compare(mask, expected)
                agreement[model].append((found["dice"], found["hd95_mm"], name))
                print(f"{name} {model.name}: {found['dice']:.4f} {found['hd95_mm']:.2f} mm", flush=True)
                if before:
                    after = compare(mask, reference)
                    changes[model].append([after[k] - before[k] for k in ("dice", "hd95_mm")])
    print("\n| model | bytes | scans | median Dice | worst Dice | median HD95 mm | largest HD95 mm "
          "| with reference | mean change of Dice | mean change of HD95 mm |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for model in options.int8:
        dice, hd95, _ = zip(*agreement[model])
        worst = min(agreement[model])
        change = [statistics.mean(column) for column in zip(*changes[model])]
        print(f"| {model.stem} | {model.stat().st_size} | {len(dice)} | {statistics.median(dice):.4f} "
              f"| {worst[0]:.4f} ({worst[2]}) | {statistics.median(hd95):.2f} | {max(hd95):.2f} "
              f"| {len(changes[model])} | {change[0]:+.4f} | {change[1]:+.2f} |")


if __name__ == "__main__":
    main()
