//! Per-channel sums and sums of squares of a plane.

use super::View;
use crate::contract::{LANES, MomentsArgs};
use crate::vector::Vector;

/// # Safety
///
/// The processor has the instruction set of `V`; `args.check` passed.
#[inline(always)]
pub(crate) unsafe fn moments<V: Vector>(args: &mut MomentsArgs) {
    // SAFETY: `check` proved that the interior of every block lies inside the input and that both
    // results hold 16 values per block; the caller promises the instruction set.
    unsafe {
        let input = View::new(&args.input, args.height, args.width);
        for block in 0..args.blocks {
            let (mut sum, mut squares) = (V::zero_doubles(), V::zero_doubles());
            for row in 0..args.height {
                let from = input.at(block, row, 0);
                for column in 0..args.width {
                    let value = V::load(from.add(column * LANES)).widen();
                    sum = V::add_doubles(sum, value);
                    // The square of an f32 is exact in f64.
                    squares = V::add_doubles(squares, V::mul_doubles(value, value));
                }
            }
            V::store_doubles(sum, args.sums.as_mut_ptr().add(block * LANES));
            V::store_doubles(squares, args.squares.as_mut_ptr().add(block * LANES));
        }
    }
}
