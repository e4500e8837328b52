"""Scores the built program on the validation scans, for docs/accuracy.md.

    cargo build --release
    python tools/py/accuracy_table.py [--data ../shared/data] [--model MODEL] [--teacher FOLDER]

Reads tools/train/validation.tsv. Scans whose reference includes the cerebrospinal fluid ("full") are
scored on the default mask, those with a tight reference on `--no-csf`; scans without a reference are
compared with the masks in `--teacher` (`<name>.nii.gz`, made by `endocast extract --model MINDGRAB`)
if that is given. Lesion masks give the share of lesion voxels inside the default mask.
"""

import argparse
import csv
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENDOCAST = ROOT / "target/release/endocast"


def extract(scan, mask, model, tissue):
    command = [ENDOCAST, "extract", scan, "-m", mask, "--quiet", "--force", "--qc-exit", "0"]
    command += ["--model", model] if model else []
    command += ["--no-csf"] if tissue else []
    subprocess.run(command, check=True)


def compare(mask, reference):
    output = subprocess.check_output([ENDOCAST, "compare", mask, reference, "--json", "-"])
    return json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--teacher", type=Path)
    options = parser.parse_args()
    with open(ROOT / "tools/train/validation.tsv") as file:
        scans = list(csv.DictReader(file, delimiter="\t"))
    groups = {}
    print("| scan | reference | Dice | HD95 mm | volume mL | reference mL | lesion inside |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.nii.gz"
        for scan in scans:
            name, kind = scan["name"], scan["reference"]
            image = options.data / "images" / f"{name}.nii.gz"
            reference = options.data / "masks" / f"{name}.nii.gz"
            if kind == "none":
                reference = options.teacher and options.teacher / f"{name}.nii.gz"
                kind = "MindGrab"
            extract(image, mask, options.model, kind == "tight")
            cells = [name, kind, "", "", "", "", ""]
            if reference and reference.exists():
                found = compare(mask, reference)
                groups.setdefault(kind, []).append((found["dice"], found["hd95_mm"], name))
                cells[2:6] = (f"{found['dice']:.4f}", f"{found['hd95_mm']:.1f}",
                              f"{found['volume_ml']:.0f}", f"{found['reference_volume_ml']:.0f}")
            lesions = list((options.data / "lesions").glob(f"{name}_*.nii.gz"))
            if lesions:
                # With the lesion as reference, sensitivity is the share of it inside the mask.
                cells[6] = f"{compare(mask, lesions[0])['sensitivity']:.4f}"
            print("|", " | ".join(cells), "|", flush=True)
    print("\n| reference | scans | median Dice | worst Dice | median HD95 mm | Dice < 0.90 |")
    print("|---|---|---|---|---|---|")
    for kind, found in groups.items():
        dice = [d for d, _, _ in found]
        worst = min(found)
        hd95 = statistics.median(h for _, h, _ in found)
        print(f"| {kind} | {len(found)} | {statistics.median(dice):.4f} | {worst[0]:.4f} ({worst[2]}) "
              f"| {hd95:.1f} | {sum(d < 0.9 for d in dice)} |")


if __name__ == "__main__":
    main()
