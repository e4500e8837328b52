//! Trilinear interpolation of one output plane.

use super::finish::Target;
use crate::contract::{LANES, Tap, UpsampleArgs};
use crate::vector::Vector;

/// `low + fraction * (high - low)`.
///
/// # Safety
///
/// The processor has the instruction set of `V`.
#[inline(always)]
unsafe fn lerp<V: Vector>(low: V, high: V, fraction: V) -> V {
    // SAFETY: the caller promises the instruction set.
    unsafe { high.sub(low).mul_add(fraction, low) }
}

/// Lower and higher index of a tap; the same one where the higher must not be read.
#[inline(always)]
fn ends(tap: &Tap) -> (usize, usize) {
    let low = tap.index as usize;
    (low, low + usize::from(tap.fraction != 0.0))
}

/// # Safety
///
/// The processor has the instruction set of `V`; `args.check` passed.
#[inline(always)]
pub(crate) unsafe fn upsample<V: Vector>(args: &mut UpsampleArgs) {
    let shape = args.shape;
    let scratch = args.scratch.as_mut_ptr();
    // SAFETY: `check` proved that both input planes hold `blocks` blocks of `shape`, that every tap
    // that is read lies inside it, that the output holds `rows` x `columns` voxels per block, and
    // that the scratch holds one input row; the caller promises the instruction set.
    unsafe {
        let out = Target::<V>::new(&mut args.out, args.rows.len(), args.columns.len());
        let [near, far] = args.planes.map(|plane| plane.as_ptr());
        let depth = V::splat(args.fraction);
        let slope = V::splat(args.slope);
        for block in 0..args.blocks {
            for (y, tap) in args.rows.iter().enumerate() {
                let (low, high) = ends(tap);
                let low = (block * shape.area() + shape.voxel(low, 0)) * LANES;
                let high = (block * shape.area() + shape.voxel(high, 0)) * LANES;
                let fraction = V::splat(tap.fraction);
                for x in 0..shape.width {
                    let (low, high) = (low + x * LANES, high + x * LANES);
                    let low = lerp(V::load(near.add(low)), V::load(far.add(low)), depth);
                    let high = lerp(V::load(near.add(high)), V::load(far.add(high)), depth);
                    lerp(low, high, fraction).store(scratch.add(x * LANES));
                }
                for (x, tap) in args.columns.iter().enumerate() {
                    let (low, high) = ends(tap);
                    let low = V::load(scratch.add(low * LANES));
                    let high = V::load(scratch.add(high * LANES));
                    let value = lerp(low, high, V::splat(tap.fraction)).leaky(slope);
                    out.store(value, block, y, x, 0);
                }
            }
        }
    }
}
