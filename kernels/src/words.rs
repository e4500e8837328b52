//! The private types that the int8 convolution by minimal filtering is written in.

use crate::dot::Dot;

/// Values of the 16 channels of a block in 16 bits, which wrap around.
///
/// # Safety
///
/// Every method requires that the processor has the instruction set of the implementing type.
pub(crate) trait Words: Copy {
    /// Widens 16 bytes, which may be read.
    unsafe fn widen(from: *const u8) -> Self;
    /// Stores 16 values, which may be written.
    unsafe fn store(self, to: *mut i16);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// `self << BITS`.
    unsafe fn shift<const BITS: i32>(self) -> Self;
}

/// 32-bit sums of products of [`Words`], which wrap around.
///
/// # Safety
///
/// As for [`Dot`].
pub(crate) trait WordDot: Dot {
    /// What is multiplied.
    type Words: Words;

    unsafe fn zero() -> Self;
    /// Stores 16 values, which may be written.
    unsafe fn store(self, to: *mut i32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// `self << BITS`.
    unsafe fn shift<const BITS: i32>(self) -> Self;
    /// `(self / 3) >> BITS`, the quotient being that among integers that wrap around: exact for
    /// `3 << BITS` times any value that fits `32 - BITS` bits, also where that product wraps.
    unsafe fn shifted_third<const BITS: i32>(self) -> Self;
    /// Adds to each sum the products of 2 input channels with `[16 out][2 in]` weights. The inputs of
    /// the tiles lie `step` values apart; all values that are meant may be read.
    unsafe fn accumulate_words<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const i16,
        step: usize,
        weights: *const i16,
    );
}

/// The inverse of 3 among 32-bit integers that wrap around.
pub(crate) const THIRD: i32 = 0xaaaa_aaab_u32.cast_signed();
