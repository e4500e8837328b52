//! Per-channel affine map, optional addend and non-linearity over one plane.

use super::View;
use super::finish::Target;
use crate::contract::{Activation, LANES, PointwiseArgs};
use crate::vector::Vector;

/// # Safety
///
/// The processor has the instruction set of `V`; `args.check` passed.
#[inline(always)]
pub(crate) unsafe fn pointwise<V: Vector>(args: &mut PointwiseArgs) {
    let (height, width) = (args.height, args.width);
    // SAFETY: `check` proved that the interior of every block lies inside input, addend and output
    // and that scale and shift hold 16 values per block; the caller promises the instruction set.
    unsafe {
        let input = View::new(&args.input, height, width);
        let addend = (args.addend.as_ref()).map(|plane| View::new(plane, height, width));
        let out = Target::<V>::new(&mut args.out, height, width);
        for block in 0..args.blocks {
            let scale = V::load(args.scale.as_ptr().add(block * LANES));
            let shift = V::load(args.shift.as_ptr().add(block * LANES));
            for row in 0..height {
                for column in 0..width {
                    let mut value = V::load(input.at(block, row, column)).mul_add(scale, shift);
                    if let Some(addend) = &addend {
                        value = value.add(V::load(addend.at(block, row, column)));
                    }
                    let value = match args.activation {
                        Activation::Leaky { slope } => value.leaky(V::splat(slope)),
                        Activation::Gelu => gelu(value),
                    };
                    out.store(value, block, row, column, 0);
                }
            }
        }
    }
}

/// Coefficients of `p` in `erfc(a / sqrt 2) = p(a)^-16`, lowest degree first: least squares on
/// `0 <= a <= 5.9`, weighted by the slope of the result, reweighted towards the largest error.
/// The fit is within 2.6e-7 of GELU, its evaluation in `f32` within 5e-7 for `|x| <= 8`.
const ERFC_ROOT: [f32; 7] = [
    1.0,
    0.049_864_14,
    0.021_157_296,
    0.003_249_315_5,
    5.971_819_3e-5,
    4.138_37e-5,
    6.333_006e-6,
];

/// `x / 2 * erfc(-x / sqrt 2)`, as `max(x, 0) - a / 2 * erfc(a / sqrt 2)` with `a = |x|`.
///
/// # Safety
///
/// The processor has the instruction set of `V`.
#[inline(always)]
unsafe fn gelu<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instruction set.
    unsafe {
        let zero = V::splat(0.0);
        // Far out the subtrahend vanishes; the bound keeps infinity from meeting infinity.
        let a = zero.sub(x).max(x).min(V::splat(16.0));
        let [low @ .., top] = ERFC_ROOT;
        let mut root = V::splat(top);
        for coefficient in low.into_iter().rev() {
            root = root.mul_add(a, V::splat(coefficient));
        }
        for _ in 0..4 {
            root = root.mul(root);
        }
        zero.max(x).sub(a.mul(V::splat(0.5)).div(root))
    }
}
