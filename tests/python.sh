#!/usr/bin/env bash
# Builds the Python wheel, tests it, and compares the masks of the example with those of the command.
# Needs a Python (PYTHON, by default python3) with maturin, NumPy, nibabel and pytest.
#
#   tests/python.sh ENDOCAST SCAN.nii.gz
set -euo pipefail

endocast=$(realpath "$1")
scan=$(realpath "$2")
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."
if ! "$python" -c "import maturin, numpy, nibabel, pytest" 2>/dev/null; then
    echo "SKIPPED: $python lacks maturin, numpy, nibabel or pytest (pip install them)" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
CARGO_TARGET_DIR=$PWD/target/python "$python" -m maturin build --quiet --release --locked \
    --manifest-path bindings/python/Cargo.toml --interpreter "$python" --out "$folder"
"$python" -m pip install --quiet --no-deps --target "$folder/site" "$folder"/endocast-*.whl
export PYTHONPATH=$folder/site PYTHONDONTWRITEBYTECODE=1
"$python" -m pytest --quiet -p no:cacheprovider bindings/python/tests

cp "$scan" "$folder/head.nii.gz"
(cd "$folder" && "$python" "$OLDPWD/examples/python/extract.py" head.nii.gz)
"$endocast" --quiet --qc-exit 0 "$scan" -m "$folder/expected.nii.gz"
"$python" - "$folder/head_mask.nii.gz" "$folder/expected.nii.gz" <<'END'
import sys
import nibabel, numpy

mask, expected = (nibabel.load(path) for path in sys.argv[1:])
assert numpy.array_equal(mask.affine, expected.affine)
assert mask.get_data_dtype() == expected.get_data_dtype() == numpy.uint8
assert numpy.asarray(mask.dataobj).tobytes() == numpy.asarray(expected.dataobj).tobytes()
END
echo "the example in Python gives the voxels of the command"
