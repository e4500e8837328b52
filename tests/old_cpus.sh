#!/usr/bin/env bash
# tests/old_cpus.sh PROGRAM: checks the kernels of a static x86-64 build of endocast on processors that
# qemu's user emulation plays. Two to three minutes of processor time.
set -euo pipefail
program=$1
if ! command -v qemu-x86_64 >/dev/null; then
    echo "SKIPPED: no qemu-x86_64"
    exit 0
fi
expect() {
    local cpu=$1 output
    shift
    output=$(qemu-x86_64 -cpu "$cpu" "$program" selftest 2> >(grep -v "TCG doesn't support" >&2))
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
    echo "$cpu: $* good"
}
expect Penryn scalar sse2 ssse3
expect Nehalem scalar sse2 ssse3
expect SandyBridge scalar sse2 ssse3
expect Haswell scalar sse2 ssse3 avx2
