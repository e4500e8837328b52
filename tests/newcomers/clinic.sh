#!/usr/bin/env bash
# A clinic with an old computer: no network, little memory, a processor with SSE2 at most.
#
#   tests/newcomers/clinic.sh ENDOCAST
set -euo pipefail

endocast=$(realpath "$1")
head=$(realpath "$(dirname "$0")/../head.py")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 "$head" head.nii.gz

# The computer: 512 MiB of address space, and no way out where the system can take the network away.
old() {
    (
        ulimit -v $((512 * 1024))
        ENDOCAST_CPU=sse2 ${offline:+$offline} "$endocast" "$@"
    )
}
offline="unshare --map-root-user --net"
$offline true 2>/dev/null || offline=

old selftest --model tiny
old head.nii.gz --model tiny -m mask.nii.gz -o brain.nii.gz --qc picture.png
test -s brain.nii.gz
test -s picture.png

# A new computer makes the same mask of it, to the byte.
"$endocast" head.nii.gz --model tiny -m new.nii.gz
cmp mask.nii.gz new.nii.gz

# What is wrong is said in a line, and nothing is left behind.
head -c 5000 head.nii.gz >cut.nii.gz
if old cut.nii.gz --model tiny 2>message; then
    echo "half a scan was taken for a whole one" >&2
    exit 1
fi
test "$(wc -l <message)" = 1
test ! -e cut_brain_mask.nii.gz
echo "clinic: a mask on SSE2 in 512 MiB, the one of every processor"
