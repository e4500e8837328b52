//! The int8 convolution with 256-bit dot products: two registers per voxel.

use std::arch::x86_64::*;

use super::{avx2, entry_points};
use crate::contract::LANES;
use crate::dot::Dot;

/// The sums of a voxel, two registers.
#[derive(Clone, Copy)]
pub(crate) struct Sums(avx2::Sums);

impl Dot for Sums {
    type Floats = <avx2::Sums as Dot>::Floats;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        Sums(unsafe { avx2::Sums::load(from) })
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
            let weights = avx2::Sums::load(weights.cast()).0;
            for (i, sums) in sums.iter_mut().enumerate() {
                let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                let inputs = _mm256_set1_epi32(inputs);
                for (sums, weights) in sums.0.0.iter_mut().zip(weights) {
                    *sums = _mm256_dpbusd_avx_epi32(*sums, inputs, weights);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn accumulate_across(
        sums: &mut [i32; LANES],
        voxels: &[[u8; LANES]; LANES],
        weights: &[i8; LANES],
    ) {
        // SAFETY: passed on from the caller; AVX2 is part of the instruction set.
        unsafe { avx2::Sums::accumulate_across(sums, voxels, weights) }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        // SAFETY: the caller promises AVX2.
        unsafe { self.0.to_floats() }
    }
}

entry_points!(int8 Sums, tile 6, features "avx2,fma,f16c,avxvnni");
