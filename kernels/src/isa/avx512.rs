//! Kernels for AVX-512: one register per vector.

use std::arch::x86_64::*;

use super::entry_points;
use crate::vector::Vector;

#[derive(Clone, Copy)]
pub(crate) struct Zmm(pub(super) __m512);

impl Vector for Zmm {
    const LANES: usize = 16;
    const FUSED: bool = true;
    type Part = Self;
    type Doubles = [__m512d; 2];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        unsafe { Zmm(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises 16 writable values.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, zero: i32, to: *mut u8) {
        // SAFETY: the caller promises 16 writable bytes.
        unsafe {
            let rounded = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(zero));
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(rounded));
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Zmm(_mm512_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn prefetch(at: *const f32) {
        // SAFETY: a hint, which fails at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: the caller promises AVX-512.
        unsafe { [_mm512_setzero_pd(); 2] }
    }

    #[inline(always)]
    unsafe fn store_doubles([low, high]: Self::Doubles, to: *mut f64) {
        // SAFETY: the caller promises 16 writable values.
        unsafe {
            _mm512_storeu_pd(to, low);
            _mm512_storeu_pd(to.add(8), high);
        }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Doubles {
        // SAFETY: the caller promises AVX-512.
        unsafe {
            [
                _mm512_cvtps_pd(_mm512_castps512_ps256(self.0)),
                _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(self.0)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn add_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: the caller promises AVX-512.
        unsafe { [_mm512_add_pd(a[0], b[0]), _mm512_add_pd(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: the caller promises AVX-512.
        unsafe { [_mm512_mul_pd(a[0], b[0]), _mm512_mul_pd(a[1], b[1])] }
    }
}

entry_points!(f32 Zmm, tile 28, features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq");
entry_points!(wino2x2x4 Zmm, tile 24, features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq");
entry_points!(exact Zmm, features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq");

/// The same with separate multiply and add.
pub(crate) mod unfused {
    use super::*;
    use crate::vector::Unfused;

    entry_points!(f32 Unfused<Zmm>, tile 28, features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq");
}
