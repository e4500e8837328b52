#!/usr/bin/env bash
# A lab with a cluster: many scans as an array job, of which one task is stopped and all are submitted again.
# The batch system is played by the variables that it sets. `tests/snakemake.sh` is the same by Snakemake.
#
#   tests/newcomers/cluster.sh ENDOCAST
set -euo pipefail

endocast=$(realpath "$1")
tests=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir bin scans
ln -s "$endocast" bin/endocast
export PATH="$PWD/bin:$PATH" SLURM_ARRAY_TASK_COUNT=2 SLURM_CPUS_PER_TASK=1 ENDOCAST_MODEL=tiny
names="3 4 5 6 7"
for name in $names; do
    python3 "$tests/head.py" "scans/$name.nii.gz" "0.9$name"
    echo "scans/$name.nii.gz"
done >scans.txt

task() {
    SLURM_ARRAY_TASK_ID=$1 ${limit:-} bash "$tests/../examples/slurm/extract.sbatch" scans.txt masks
}
limit="timeout 0.6" task 1 || true
task 1 &
task 2
wait $!
for name in $names; do
    "$endocast" "scans/$name.nii.gz" -m alone.nii.gz --force
    cmp alone.nii.gz "masks/${name}_brain_mask.nii.gz"
    grep -q InputSHA256 "masks/${name}_brain_mask.json"
done
test "$(find masks -name '*_mask.nii.gz' | wc -l)" = 5
test "$(find masks -type f | wc -l)" = "$(find masks -name '*_brain*' -type f | wc -l)"

# Submitted once more, nothing is done again.
find masks -type f -printf '%p %T@\n' | sort >before
task 1
task 2
find masks -type f -printf '%p %T@\n' | sort | cmp - before
echo "cluster: five scans in two tasks, one of them stopped, each done once"
