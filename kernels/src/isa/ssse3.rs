//! The int8 convolution with the byte products of SSSE3: four registers per voxel.

use std::arch::x86_64::*;
use std::array::from_fn;

use super::entry_points;
use super::sse2::Xmm;
use crate::dot::Dot;
use crate::vector::Group;

/// The sums of a voxel, four registers.
#[derive(Clone, Copy)]
pub(crate) struct Sums([__m128i; 4]);

impl Dot for Sums {
    type Floats = Group<Xmm, 4>;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        Sums(from_fn(|i| unsafe {
            _mm_loadu_si128(from.cast::<__m128i>().add(i))
        }))
    }

    #[inline(always)]
    unsafe fn accumulate<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const u8,
        step: usize,
        weights: *const i8,
    ) {
        // SAFETY: the caller promises SSSE3, 64 readable weights and 4 inputs per voxel.
        unsafe {
            let ones = _mm_set1_epi16(1);
            for part in 0..4 {
                let weights = _mm_loadu_si128(weights.cast::<__m128i>().add(part));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                    let pairs = _mm_maddubs_epi16(_mm_set1_epi32(inputs), weights);
                    sums.0[part] = _mm_add_epi32(sums.0[part], _mm_madd_epi16(pairs, ones));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        // SAFETY: SSE2 is part of every x86-64 processor.
        Group(self.0.map(|sums| Xmm(unsafe { _mm_cvtepi32_ps(sums) })))
    }
}

entry_points!(int8 Sums, tile 2, features "ssse3");
