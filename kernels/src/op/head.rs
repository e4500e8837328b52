//! The 1x1x1 convolution that ends a network: a few planar channels, where the other kernels would compute
//! whole blocks. Voxels side by side share a register.
//!
//! The arithmetic is that of the direct sums, and so are the bits.

use crate::contract::{
    ConvArgs, ConvInt8Args, ConvProblem, GROUP, GROUPS, LANES, PlaneShape, Source, Store,
};
use crate::dot::Dot;
use crate::vector::Vector;

/// Computes a head in single precision, rounding as `V` does; does nothing if the store is not planar.
#[inline(always)]
pub(crate) fn head<V: Vector>(args: &mut ConvArgs) {
    let problem = args.problem;
    let slope = args.epilogue.slope;
    let Some(Store::Planar(plane, channels)) = &mut args.epilogue.raw else {
        return;
    };
    let to = plane_shape(&problem, plane.halo);
    for channel in args.blocks.start * LANES..(args.blocks.end * LANES).min(*channels) {
        let weights = &args.weights[channel / LANES * problem.weights_per_block()..];
        for row in 0..problem.height {
            for column in (0..problem.width).step_by(LANES) {
                let count = LANES.min(problem.width - column);
                let mut sums = [args.bias[channel]; LANES];
                let mut rest = weights[channel % LANES..].iter().step_by(LANES);
                for source in args.sources {
                    for block in 0..source.blocks {
                        let mut factors = [0.0; LANES];
                        for (factor, weight) in factors.iter_mut().zip(&mut rest) {
                            *factor = *weight;
                        }
                        let voxels = voxels(source, block, row, column, count);
                        for (sum, voxel) in sums.iter_mut().zip(voxels) {
                            for (value, factor) in voxel.iter().zip(&factors) {
                                *sum = match V::FUSED {
                                    true => value.mul_add(*factor, *sum),
                                    false => value * factor + *sum,
                                };
                            }
                        }
                    }
                }
                for sum in &mut sums {
                    let scaled = slope * *sum;
                    *sum = if scaled > *sum { scaled } else { *sum };
                }
                let out = &mut plane.data[channel * to.area() + to.voxel(row, column)..];
                out[..count].copy_from_slice(&sums[..count]);
            }
        }
    }
}

/// Computes a head in int8; does nothing if the store is not planar.
///
/// # Safety
///
/// The processor has the instruction set of `D`; `args.check` passed.
#[inline(always)]
pub(crate) unsafe fn head_int8<D: Dot>(args: &mut ConvInt8Args) {
    let problem = args.problem;
    let slope = args.epilogue.slope;
    let Some(Store::Planar(plane, channels)) = &mut args.epilogue.raw else {
        return;
    };
    let to = plane_shape(&problem, plane.halo);
    for channel in args.blocks.start * LANES..(args.blocks.end * LANES).min(*channels) {
        let weights = &args.weights[channel / LANES * problem.int8_weights_per_block()..];
        for row in 0..problem.height {
            for column in (0..problem.width).step_by(LANES) {
                let count = LANES.min(problem.width - column);
                let mut sums = [args.offset[channel]; LANES];
                let mut first = 0;
                for source in args.sources {
                    for block in 0..source.blocks {
                        let found = voxels(source, block, row, column, count);
                        let mut voxels = [[0; LANES]; LANES];
                        voxels[..count].copy_from_slice(found);
                        let mut factors = [0; LANES];
                        for (lane, factor) in factors.iter_mut().enumerate() {
                            let group = first + lane / GROUP;
                            let at = (group * LANES + channel % LANES) * GROUP + lane % GROUP;
                            *factor = weights[at];
                        }
                        // SAFETY: the caller promises the instruction set.
                        unsafe { D::accumulate_across(&mut sums, &voxels, &factors) };
                        first += GROUPS;
                    }
                }
                let mut values = [0.0; LANES];
                // SAFETY: both arrays hold 16 values; the caller promises the instruction set.
                unsafe {
                    let [scale, bias] = [args.scale[channel], args.bias[channel]]
                        .map(|value| D::Floats::splat(value));
                    let sums = D::load(sums.as_ptr()).to_floats();
                    let sums = sums.mul_add(scale, bias).leaky(D::Floats::splat(slope));
                    sums.store(values.as_mut_ptr());
                }
                let out = &mut plane.data[channel * to.area() + to.voxel(row, column)..];
                out[..count].copy_from_slice(&values[..count]);
            }
        }
    }
}

fn plane_shape(problem: &ConvProblem, halo: usize) -> PlaneShape {
    PlaneShape {
        height: problem.height,
        width: problem.width,
        halo,
    }
}

/// `count` neighbouring voxels of a block of a source.
#[inline(always)]
fn voxels<'a, T>(
    source: &Source<'a, T>,
    block: usize,
    row: usize,
    column: usize,
    count: usize,
) -> &'a [[T; LANES]] {
    let first = block * source.shape.area() + source.shape.voxel(row, column);
    &source.planes[1].as_chunks().0[first..][..count]
}
