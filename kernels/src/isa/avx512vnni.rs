//! The int8 convolution with 512-bit dot products: one register per voxel.

use std::arch::asm;
use std::arch::x86_64::*;

use super::avx2::{self, Ywords};
use super::avx512::Zmm;
use super::entry_points;
use crate::contract::LANES;
use crate::dot::Dot;
use crate::vector::Unfused;
use crate::words::{THIRD, WordDot};

/// The sums of a voxel.
#[derive(Clone, Copy)]
pub(crate) struct Sums(__m512i);

impl Dot for Sums {
    type Floats = Unfused<Zmm>;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        Sums(unsafe { _mm512_loadu_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn accumulate<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const u8,
        step: usize,
        weights: *const i8,
    ) {
        // SAFETY: the caller promises AVX512-VNNI, 64 readable weights and 4 inputs per voxel.
        unsafe {
            let weights = _mm512_loadu_si512(weights.cast());
            for (i, sums) in sums.iter_mut().enumerate() {
                let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                sums.0 = _mm512_dpbusd_epi32(sums.0, _mm512_set1_epi32(inputs), weights);
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
        // SAFETY: the caller promises AVX-512.
        Unfused(Zmm(unsafe { _mm512_cvtepi32_ps(self.0) }))
    }
}

entry_points!(
    int8 Sums, tile 28, features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);

impl WordDot for Sums {
    type Words = Ywords;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller promises AVX-512.
        Sums(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: the caller promises 16 writable values.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        Sums(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        Sums(unsafe { _mm512_sub_epi32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(self) -> Self {
        // SAFETY: the caller promises AVX-512.
        Sums(unsafe { _mm512_sllv_epi32(self.0, _mm512_set1_epi32(BITS)) })
    }

    #[inline(always)]
    unsafe fn shifted_third<const BITS: i32>(self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe {
            let third = _mm512_mullo_epi32(self.0, _mm512_set1_epi32(THIRD));
            Sums(_mm512_srav_epi32(third, _mm512_set1_epi32(BITS)))
        }
    }

    #[inline(always)]
    unsafe fn accumulate_words<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const i16,
        step: usize,
        weights: *const i16,
    ) {
        // SAFETY: the caller promises AVX512-VNNI, 32 readable weights and 2 inputs per tile.
        unsafe {
            let weights = _mm512_loadu_si512(weights.cast());
            for (i, sums) in sums.iter_mut().enumerate() {
                let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                sums.0 = add_products(sums.0, _mm512_set1_epi32(inputs), weights);
            }
        }
    }
}

/// Adds to each sum the products of two pairs of 16-bit numbers.
///
/// Of several calls of the intrinsic in a row LLVM makes products and sums, which wait less for each other
/// and take twice the instructions; it leaves this one alone.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_products(mut sums: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
    // SAFETY: the instruction, which the processor has, does nothing but that.
    unsafe {
        asm!(
            "vpdpwssd {sums}, {inputs}, {weights}",
            sums = inout(zmm_reg) sums,
            inputs = in(zmm_reg) inputs,
            weights = in(zmm_reg) weights,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

entry_points!(
    wino_int8 Sums, pair tile 12,
    features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);

/// The kernel for AMX with tiles in software.
pub(crate) mod modelled {
    use super::*;
    use crate::tiles::model::Model;

    entry_points!(
        tiles Model, Sums,
        features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
    );
}
