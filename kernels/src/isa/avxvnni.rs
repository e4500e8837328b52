//! The int8 convolution with 256-bit dot products: two registers per voxel.

use std::arch::x86_64::*;
use std::array::from_fn;

use super::avx2::Ymm;
use super::entry_points;
use crate::dot::Dot;
use crate::vector::{Group, Unfused};

/// The sums of a voxel, two registers.
#[derive(Clone, Copy)]
pub(crate) struct Sums([__m256i; 2]);

impl Dot for Sums {
    type Floats = Unfused<Group<Ymm, 2>>;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        Sums(from_fn(|i| unsafe {
            _mm256_loadu_si256(from.cast::<__m256i>().add(i))
        }))
    }

    #[inline(always)]
    unsafe fn accumulate<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const u8,
        step: usize,
        weights: *const i8,
    ) {
        // SAFETY: the caller promises AVX-VNNI, 64 readable weights and 4 inputs per voxel.
        unsafe {
            let weights = [0, 1].map(|i| _mm256_loadu_si256(weights.cast::<__m256i>().add(i)));
            for (i, sums) in sums.iter_mut().enumerate() {
                let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                let inputs = _mm256_set1_epi32(inputs);
                for (sums, weights) in sums.0.iter_mut().zip(weights) {
                    *sums = _mm256_dpbusd_avx_epi32(*sums, inputs, weights);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        // SAFETY: the caller promises AVX2.
        Unfused(Group(
            self.0.map(|sums| Ymm(unsafe { _mm256_cvtepi32_ps(sums) })),
        ))
    }
}

entry_points!(int8 Sums, tile 6, features "avx2,fma,f16c,avxvnni");
