//! The int8 convolution with 512-bit dot products: one register per voxel.

use std::arch::x86_64::*;

use super::avx512::Zmm;
use super::entry_points;
use crate::dot::Dot;
use crate::vector::Unfused;

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
    unsafe fn to_floats(self) -> Self::Floats {
        // SAFETY: the caller promises AVX-512.
        Unfused(Zmm(unsafe { _mm512_cvtepi32_ps(self.0) }))
    }
}

entry_points!(
    int8 Sums, tile 28, features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
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
