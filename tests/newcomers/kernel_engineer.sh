#!/usr/bin/env bash
# An engineer who adds a kernel: a file and two lines, in a copy of the crate. The tests find it by
# themselves, pass it, and catch it when it is wrong.
#
#   tests/newcomers/kernel_engineer.sh
set -euo pipefail

repository=$(realpath "$(dirname "$0")/../..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$repository"
git ls-files -z | xargs -0 cp --parents --target-directory "$folder"
cd "$folder/kernels/src"

cat >isa/newcomer.rs <<'END'
//! Moments with registers of 8 values.

use super::scalar::Quad;
use crate::contract::MomentsArgs;
use crate::op::moments;
use crate::vector::Group;

/// # Safety
///
/// `args.check` passed.
pub(crate) unsafe fn moments(args: &mut MomentsArgs) {
    // SAFETY: passed on from the caller.
    unsafe { moments::moments::<Group<Group<Quad, 2>, 2>>(args) }
}
END
sed -i 's/^pub(crate) mod scalar;/pub(crate) mod newcomer;\n&/' isa/mod.rs
line='    exact!(MomentsKernel, "moments_f32", newcomer, moments, Scalar),'
sed -i "/^static MOMENTS/a\\$line" registry.rs

cd "$folder"
sed -i '/^\[profile.dev/,$d' Cargo.toml # Built in seconds, which these few trials need no more of.
trials() {
    cargo test --quiet --locked --package endocast-kernels --test kernels \
        --target-dir "$folder/target" -- newcomer
}
trials | tee passed
grep -q "test result: ok. [1-9][0-9]* passed" passed

sed -i 's/    unsafe { moments.*/&;\n    args.sums[0] += 1.0;/' kernels/src/isa/newcomer.rs
if trials >failed 2>&1; then
    echo "a wrong kernel passed its tests" >&2
    exit 1
fi
grep -q "moments_f32__newcomer" failed
echo "kernel engineer: a kernel in a file, tested by being in the list"
