//! Direct convolution of one output plane: a row of voxels times 16 output channels in registers.

use super::finish::Finish;
use super::for_each_tile;
use super::head::head;
use crate::contract::{ConvArgs, LANES, Source};
use crate::registry::Form;
use crate::vector::Vector;

/// The direct sum runs every problem on the packed weights and needs no memory.
pub(crate) static DIRECT: Form = Form {
    accepts: |_| Ok(()),
    planes: 1,
    prepared: None,
    scratch_len: |_| 0,
};

/// # Safety
///
/// The processor has the instruction set of `V`; `args.check` passed for the packed weights.
#[inline(always)]
pub(crate) unsafe fn direct<V: Vector, const TILE: usize>(args: &mut ConvArgs) {
    // SAFETY: the caller's promises are those of `sweep`; the problem is what picks the variant.
    unsafe {
        if args.epilogue.is_planar() {
            return head::<V>(args);
        }
        match (args.problem.planar, args.problem.stride) {
            (false, 1) => sweep::<V, TILE, false, 1>(args),
            (false, _) => sweep::<V, TILE, false, 2>(args),
            (true, 1) => sweep::<V, TILE, true, 1>(args),
            (true, _) => sweep::<V, TILE, true, 2>(args),
        }
    }
}

/// # Safety
///
/// As for `direct`; `PLANAR` and `STRIDE` are those of the problem.
#[inline(always)]
unsafe fn sweep<V: Vector, const TILE: usize, const PLANAR: bool, const STRIDE: usize>(
    args: &mut ConvArgs,
) {
    let problem = args.problem;
    let per_block = problem.weights_per_block();
    // SAFETY: `check` proved that the output planes hold the problem's extent, and weights and
    // bias its output blocks; tiles never reach past the width.
    unsafe {
        let finish = Finish::<V>::new(&mut args.epilogue, problem.height, problem.width);
        for block in args.blocks.clone() {
            let weights = args.weights.as_ptr().add(block * per_block);
            let bias = V::load(args.bias.as_ptr().add(block * LANES));
            for row in 0..problem.height {
                for_each_tile!(problem.width, TILE, |column, WIDTH| {
                    let sums = tile::<V, WIDTH, PLANAR, STRIDE>(
                        args.sources,
                        problem.kernel,
                        problem.dilation,
                        weights,
                        bias,
                        row,
                        column,
                    );
                    for (i, sum) in sums.into_iter().enumerate() {
                        finish.store(sum, block, row, column + i, 0);
                    }
                });
            }
        }
    }
}

/// Sums of `WIDTH` neighbouring voxels of one row, in the order source block, tap, input channel.
///
/// # Safety
///
/// The processor has the instruction set of `V`; the sources satisfy `ConvArgs::check` for a
/// problem that contains the voxels; `weights` starts a whole output block.
#[inline(always)]
unsafe fn tile<V: Vector, const WIDTH: usize, const PLANAR: bool, const STRIDE: usize>(
    sources: &[Source],
    kernel: usize,
    dilation: usize,
    mut weights: *const f32,
    bias: V,
    row: usize,
    column: usize,
) -> [V; WIDTH] {
    let lanes = if PLANAR { 1 } else { LANES };
    let reach = kernel / 2;
    let mut sums = [bias; WIDTH];
    for source in sources {
        let shape = source.shape;
        let (blocks, channels, channel_step) = if PLANAR {
            (1, source.blocks, shape.area())
        } else {
            (source.blocks, LANES, 1)
        };
        let corner = (shape.voxel(row * STRIDE, column * STRIDE)
            - reach * dilation * (shape.pitch() + 1))
            * lanes;
        for block in 0..blocks {
            let corner = corner + block * shape.area() * lanes;
            for plane in &source.planes[1 - reach..=1 + reach] {
                for dy in 0..kernel {
                    for dx in 0..kernel {
                        let tap = corner + (dy * shape.pitch() + dx) * dilation * lanes;
                        // SAFETY: rows and columns up to `reach * dilation` outside the interior
                        // are halo, which `check` proved to be inside the plane.
                        unsafe {
                            let mut from = plane.as_ptr().add(tap);
                            for _ in 0..channels {
                                let weight = V::load(weights);
                                for (i, sum) in sums.iter_mut().enumerate() {
                                    let value = V::splat(*from.add(i * STRIDE * lanes));
                                    *sum = value.mul_add(weight, *sum);
                                }
                                weights = weights.add(LANES);
                                from = from.add(channel_step);
                            }
                        }
                    }
                }
            }
        }
    }
    sums
}
