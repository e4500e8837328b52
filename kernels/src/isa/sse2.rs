//! Kernels for the x86-64 baseline: four registers per vector, separate multiply and add.

use std::arch::x86_64::*;

use super::entry_points;
use crate::vector::Vector;

#[derive(Clone, Copy)]
pub(crate) struct Sse2([__m128; 4]);

/// The intrinsic on all quarters of its operands.
macro_rules! quarters {
    ($intrinsic:ident, $($operand:expr),*) => {
        Sse2([
            $intrinsic($($operand.0[0]),*),
            $intrinsic($($operand.0[1]),*),
            $intrinsic($($operand.0[2]),*),
            $intrinsic($($operand.0[3]),*),
        ])
    };
}

impl Vector for Sse2 {
    const FUSED: bool = false;
    type Doubles = [__m128d; 8];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        unsafe {
            Sse2([
                _mm_loadu_ps(from),
                _mm_loadu_ps(from.add(4)),
                _mm_loadu_ps(from.add(8)),
                _mm_loadu_ps(from.add(12)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (i, part) in self.0.into_iter().enumerate() {
            // SAFETY: the caller promises 16 writable values.
            unsafe { _mm_storeu_ps(to.add(4 * i), part) }
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Sse2([_mm_set1_ps(value); 4]) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { quarters!(_mm_add_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { quarters!(_mm_sub_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { quarters!(_mm_mul_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { quarters!(_mm_div_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { quarters!(_mm_add_ps, quarters!(_mm_mul_ps, self, factor), addend) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { quarters!(_mm_max_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { quarters!(_mm_min_ps, self, other) }
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { [_mm_setzero_pd(); 8] }
    }

    #[inline(always)]
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64) {
        for (i, part) in doubles.into_iter().enumerate() {
            // SAFETY: the caller promises 16 writable values.
            unsafe { _mm_storeu_pd(to.add(2 * i), part) }
        }
    }

    #[inline(always)]
    unsafe fn accumulate(
        self,
        sum: Self::Doubles,
        squares: Self::Doubles,
    ) -> (Self::Doubles, Self::Doubles) {
        let (mut sum, mut squares) = (sum, squares);
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe {
            for (i, quarter) in self.0.into_iter().enumerate() {
                let wide = [
                    _mm_cvtps_pd(quarter),
                    _mm_cvtps_pd(_mm_movehl_ps(quarter, quarter)),
                ];
                for (j, wide) in wide.into_iter().enumerate() {
                    let i = 2 * i + j;
                    sum[i] = _mm_add_pd(sum[i], wide);
                    squares[i] = _mm_add_pd(squares[i], _mm_mul_pd(wide, wide));
                }
            }
        }
        (sum, squares)
    }
}

entry_points!(Sse2, tile 3, features "sse2");
