//! Direct convolution of one output plane from `u8` and `i8`: a row of voxels times 16 output
//! channels in registers.

use super::finish::Finish;
use super::for_each_tile;
use super::head::head_int8;
use crate::contract::{ConvInt8Args, GROUP, GROUPS, LANES, Source};
use crate::dot::Dot;
use crate::registry::Int8Form;
use crate::vector::Vector;

/// The direct sum runs every problem and needs no memory.
pub(crate) static DIRECT: Int8Form = Int8Form {
    accepts: |_| Ok(()),
    pays: |_| Ok(()),
    planes: 1,
    scratch_len: |_| 0,
};

/// # Safety
///
/// The processor has the instruction set of `D`; `args.check` passed.
#[inline(always)]
pub(crate) unsafe fn direct<D: Dot, const TILE: usize>(args: &mut ConvInt8Args) {
    // SAFETY: the caller's promises are those of `sweep`; the problem is what picks the variant.
    unsafe {
        if args.epilogue.is_planar() {
            return head_int8::<D>(args);
        }
        match (args.problem.planar, args.problem.stride) {
            (false, 1) => sweep::<D, TILE, false, 1>(args),
            (false, _) => sweep::<D, TILE, false, 2>(args),
            (true, 1) => sweep::<D, TILE, true, 1>(args),
            (true, _) => sweep::<D, TILE, true, 2>(args),
        }
    }
}

/// # Safety
///
/// As for `direct`; `IMAGE` and `STRIDE` are those of the problem.
#[inline(always)]
unsafe fn sweep<D: Dot, const TILE: usize, const IMAGE: bool, const STRIDE: usize>(
    args: &mut ConvInt8Args,
) {
    let problem = args.problem;
    let per_block = problem.int8_weights_per_block();
    // SAFETY: `check` proved that the output planes hold the problem's extent, and weights and
    // vectors its output blocks; tiles never reach past the width.
    unsafe {
        let finish = Finish::<D::Floats>::new(&mut args.epilogue, problem.height, problem.width);
        for block in args.blocks.clone() {
            let weights = args.weights.as_ptr().add(block * per_block);
            let offset = D::load(args.offset.as_ptr().add(block * LANES));
            let scale = D::Floats::load(args.scale.as_ptr().add(block * LANES));
            let bias = D::Floats::load(args.bias.as_ptr().add(block * LANES));
            for row in 0..problem.height {
                for_each_tile!(problem.width, TILE, |column, WIDTH| {
                    let sums = tile::<D, WIDTH, IMAGE, STRIDE>(
                        args.sources,
                        problem.kernel,
                        problem.dilation,
                        weights,
                        offset,
                        row,
                        column,
                    );
                    for (i, sum) in sums.into_iter().enumerate() {
                        let sum = sum.to_floats().mul_add(scale, bias);
                        finish.store(sum, block, row, column + i, 0);
                    }
                });
            }
        }
    }
}

/// Sums of `WIDTH` neighbouring voxels of one row.
///
/// # Safety
///
/// The processor has the instruction set of `D`; the sources satisfy `ConvInt8Args::check` for a
/// problem that contains the voxels; `weights` starts a whole output block.
#[inline(always)]
unsafe fn tile<D: Dot, const WIDTH: usize, const IMAGE: bool, const STRIDE: usize>(
    sources: &[Source<u8>],
    kernel: usize,
    dilation: usize,
    mut weights: *const i8,
    offset: D,
    row: usize,
    column: usize,
) -> [D; WIDTH] {
    let (lanes, groups) = if IMAGE { (GROUP, 1) } else { (LANES, GROUPS) };
    let reach = kernel / 2;
    let mut sums = [offset; WIDTH];
    for source in sources {
        let shape = source.shape;
        let blocks = if IMAGE { 1 } else { source.blocks };
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
                            let from = plane.as_ptr().add(tap);
                            for group in 0..groups {
                                let from = from.add(group * GROUP);
                                D::accumulate(&mut sums, from, STRIDE * lanes, weights);
                                weights = weights.add(LANES * GROUP);
                            }
                        }
                    }
                }
            }
        }
    }
    sums
}
