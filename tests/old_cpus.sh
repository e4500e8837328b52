#!/usr/bin/env bash
# Checks a static x86-64 build of endocast on processors that qemu's user emulation plays: its kernels, and with a
# scan the whole command, whose mask and brain must be those of this processor; with the static test program of
# the kernels that one too. Minutes of processor time for each.
#
#   tests/old_cpus.sh PROGRAM [SCAN.nii.gz [KERNEL_TESTS]]
set -euo pipefail
program=$1
scan=${2:-}
kernel_tests=${3:-}
if ! command -v qemu-x86_64 >/dev/null; then
    echo "SKIPPED: no qemu-x86_64"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Runs a program as a processor, without qemu's remarks on what it does not emulate.
as() {
    local cpu=$1
    shift
    qemu-x86_64 -cpu "$cpu" "$@" 2> >(grep -v "TCG doesn't support" >&2)
}

extract() {
    "${@:2}" "$program" "$scan" -m "$folder/$1_mask.nii.gz" -o "$folder/$1.nii.gz" --quiet
}

expect() {
    local cpu=$1 output
    shift
    output=$(as "$cpu" "$program" selftest)
    for isa in "$@"; do
        if ! grep -q "^$isa: good" <<<"$output"; then
            echo "$cpu: nothing good of $isa in: $output" >&2
            exit 1
        fi
    done
    if grep -q "^avx512" <<<"$output"; then
        echo "$cpu: kernels that it does not have" >&2
        exit 1
    fi
    if [ -n "$scan" ]; then
        extract "$cpu" as "$cpu"
        cmp "$folder/$cpu.nii.gz" "$folder/native.nii.gz"
        cmp "$folder/${cpu}_mask.nii.gz" "$folder/native_mask.nii.gz"
    fi
    if [ -n "$kernel_tests" ]; then
        KERNELS_QUICK=1 as "$cpu" "$kernel_tests" --quiet
    fi
    echo "$cpu: $* good"
}

if [ -n "$scan" ]; then
    extract native
fi
expect Penryn scalar sse2 ssse3
expect Nehalem scalar sse2 ssse3
expect SandyBridge scalar sse2 ssse3
expect Haswell scalar sse2 ssse3 avx2
