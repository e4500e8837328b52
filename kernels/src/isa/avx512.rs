//! Kernels for AVX-512: one register per vector.

use std::arch::x86_64::*;

use super::entry_points;
use crate::vector::Vector;

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

impl Vector for Avx512 {
    const FUSED: bool = true;
    type Doubles = [__m512d; 2];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises AVX-512 and 16 readable values.
        unsafe { Avx512(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises AVX-512 and 16 writable values.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX-512.
        unsafe { Avx512(_mm512_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: the caller promises AVX-512.
        unsafe { [_mm512_setzero_pd(); 2] }
    }

    #[inline(always)]
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64) {
        // SAFETY: the caller promises AVX-512 and 16 writable values.
        unsafe {
            _mm512_storeu_pd(to, doubles[0]);
            _mm512_storeu_pd(to.add(8), doubles[1]);
        }
    }

    #[inline(always)]
    unsafe fn accumulate(
        self,
        sum: Self::Doubles,
        squares: Self::Doubles,
    ) -> (Self::Doubles, Self::Doubles) {
        // SAFETY: the caller promises AVX-512.
        unsafe {
            let wide = [
                _mm512_cvtps_pd(_mm512_castps512_ps256(self.0)),
                _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(self.0)),
            ];
            (
                [
                    _mm512_add_pd(sum[0], wide[0]),
                    _mm512_add_pd(sum[1], wide[1]),
                ],
                [
                    _mm512_fmadd_pd(wide[0], wide[0], squares[0]),
                    _mm512_fmadd_pd(wide[1], wide[1], squares[1]),
                ],
            )
        }
    }
}

entry_points!(Avx512, tile 28, features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq");
