"""Lists the scans of ../shared/data with reference masks, for `endocast validate`.

    python tools/py/validation_list.py > list.tsv
    endocast validate list.tsv -o study

Names are `<contrast>_<site>_<rest>`. IXI's references are tight, all others full; scans that the shipped
model was trained on (those absent from tools/train/validation.tsv) are left out.
"""

import argparse
import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    data = parser.parse_args().data.resolve()
    with open(ROOT / "tools/train/validation.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    print("scan", "mask", "reference", "contrast", "site", sep="\t")
    for row in rows:
        mask = data / "masks" / f"{row['name']}.nii.gz"
        if row["reference"] != "none" and mask.exists():
            contrast, site = row["name"].split("_")[:2]
            print(data / "images" / mask.name, mask, row["reference"], contrast, site, sep="\t")


if __name__ == "__main__":
    main()
