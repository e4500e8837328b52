#!/usr/bin/env bash
# fuzz/run.sh TARGET SECONDS: fuzzes one target from the kept corpus, with AddressSanitizer and the
# bounds on memory and time that docs/reliability.md states. Findings go to artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")"
target=$1 seconds=$2
case $target in
    nifti | model) length=8192 ;;
    gzip) length=4096 ;;
    checkpoint) length=65536 ;;
esac
dictionary=()
[ ! -f "$target.dict" ] || dictionary=(-dict="$target.dict")
mkdir -p "work/$target" "artifacts/$target"
exec cargo +nightly fuzz run "$target" "work/$target" "corpus/$target" -- \
    "${dictionary[@]}" -max_len="$length" -timeout=30 -rss_limit_mb=1500 -malloc_limit_mb=256 \
    -use_value_profile=1 -print_final_stats=1 -max_total_time="$seconds" \
    -artifact_prefix="artifacts/$target/"
