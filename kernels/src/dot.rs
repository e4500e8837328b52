//! The private type that the int8 convolution is written in.

use crate::contract::LANES;
use crate::vector::Vector;

/// 32-bit sums of one voxel for the 16 output channels of a block.
///
/// # Safety
///
/// Every method requires that the processor has the instruction set of the implementing type.
pub(crate) trait Dot: Copy {
    /// The same 16 values as `f32`; not fused.
    type Floats: Vector;

    /// 16 sums to start from; they may be read.
    unsafe fn load(from: *const i32) -> Self;

    /// Adds to each sum the products of 4 input channels with `[16 out][4 in]` weights. The inputs of
    /// the voxels lie `step` bytes apart; all bytes that are meant may be read, at any alignment.
    unsafe fn accumulate<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const u8,
        step: usize,
        weights: *const i8,
    );

    /// Adds to each sum the products of the 16 inputs of a voxel with 16 weights.
    #[inline(always)]
    unsafe fn accumulate_across(
        sums: &mut [i32; LANES],
        voxels: &[[u8; LANES]; LANES],
        weights: &[i8; LANES],
    ) {
        for (sum, voxel) in sums.iter_mut().zip(voxels) {
            for (input, weight) in voxel.iter().zip(weights) {
                *sum += i32::from(*input) * i32::from(*weight);
            }
        }
    }

    /// Rounded to nearest.
    unsafe fn to_floats(self) -> Self::Floats;
}
