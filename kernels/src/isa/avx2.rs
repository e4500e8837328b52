//! Kernels for AVX2 with FMA: two registers per vector.

use std::arch::x86_64::*;

use super::entry_points;
use crate::vector::Vector;

#[derive(Clone, Copy)]
pub(crate) struct Avx2([__m256; 2]);

/// The intrinsic on both halves of its operands.
macro_rules! halves {
    ($intrinsic:ident, $($operand:expr),*) => {
        Avx2([$intrinsic($($operand.0[0]),*), $intrinsic($($operand.0[1]),*)])
    };
}

impl Vector for Avx2 {
    const FUSED: bool = true;
    type Doubles = [__m256d; 4];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises AVX2 and 16 readable values.
        unsafe { Avx2([_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))]) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises AVX2 and 16 writable values.
        unsafe {
            _mm256_storeu_ps(to, self.0[0]);
            _mm256_storeu_ps(to.add(8), self.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller promises AVX2.
        unsafe { Avx2([_mm256_set1_ps(value); 2]) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        unsafe { halves!(_mm256_add_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        unsafe { halves!(_mm256_sub_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        unsafe { halves!(_mm256_mul_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        unsafe { halves!(_mm256_div_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller promises FMA.
        unsafe { halves!(_mm256_fmadd_ps, self, factor, addend) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        unsafe { halves!(_mm256_max_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        unsafe { halves!(_mm256_min_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: the caller promises AVX2.
        unsafe { [_mm256_setzero_pd(); 4] }
    }

    #[inline(always)]
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64) {
        for (i, part) in doubles.into_iter().enumerate() {
            // SAFETY: the caller promises AVX2 and 16 writable values.
            unsafe { _mm256_storeu_pd(to.add(4 * i), part) }
        }
    }

    #[inline(always)]
    unsafe fn accumulate(
        self,
        sum: Self::Doubles,
        squares: Self::Doubles,
    ) -> (Self::Doubles, Self::Doubles) {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe {
            let [low, high] = self.0;
            let wide = [
                _mm256_cvtps_pd(_mm256_castps256_ps128(low)),
                _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(low)),
                _mm256_cvtps_pd(_mm256_castps256_ps128(high)),
                _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(high)),
            ];
            let (mut sum, mut squares) = (sum, squares);
            for i in 0..4 {
                sum[i] = _mm256_add_pd(sum[i], wide[i]);
                squares[i] = _mm256_fmadd_pd(wide[i], wide[i], squares[i]);
            }
            (sum, squares)
        }
    }
}

entry_points!(Avx2, tile 6, features "avx2,fma,f16c");
