"""Lists the validation scans, for `endocast validate`.

    python tools/py/validation_list.py [--teacher FOLDER] > list.tsv
    endocast validate list.tsv -o study --model default --model tiny

Names are `<contrast>_<site>_<rest>`. IXI's references are tight, all others full. With `--teacher`, scans
without a reference are listed too, MindGrab's masks in FOLDER (`<name>.nii.gz`) as their references;
their site is called `teacher`, so that these stand in a group of their own.
"""

import argparse
import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--teacher", type=Path)
    options = parser.parse_args()
    data = options.data.resolve()
    with open(ROOT / "tools/train/validation.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    print("scan", "mask", "reference", "contrast", "site", sep="\t")
    for row in rows:
        name, reference = row["name"], row["reference"]
        contrast, site = name.split("_")[:2]
        mask = data / "masks" / f"{name}.nii.gz"
        if reference == "none":
            if options.teacher is None:
                continue
            mask, reference, site = options.teacher.resolve() / mask.name, "full", "teacher"
        print(data / "images" / mask.name, mask, reference, contrast, site, sep="\t")


if __name__ == "__main__":
    main()
