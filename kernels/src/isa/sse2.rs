//! Kernels for the x86-64 baseline: four registers per vector, separate multiply and add.

use std::arch::x86_64::*;
use std::array::from_fn;

use super::entry_points;
use crate::dot::Dot;
use crate::vector::{Group, Vector};
use crate::words::{THIRD, WordDot, Words};

#[derive(Clone, Copy)]
pub(crate) struct Xmm(pub(super) __m128);

impl Vector for Xmm {
    const LANES: usize = 4;
    const FUSED: bool = false;
    type Part = Self;
    type Doubles = [__m128d; 2];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 4 readable values.
        unsafe { Xmm(_mm_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises 4 writable values.
        unsafe { _mm_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, zero: i32, to: *mut u8) {
        // SAFETY: the caller promises 4 writable bytes.
        unsafe {
            let rounded = _mm_add_epi32(_mm_cvtps_epi32(self.0), _mm_set1_epi32(zero));
            let words = _mm_packs_epi32(rounded, rounded);
            let bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
            to.cast::<i32>().write_unaligned(bytes);
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_add_ps(_mm_mul_ps(self.0, factor.0), addend.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { Xmm(_mm_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { [_mm_setzero_pd(); 2] }
    }

    #[inline(always)]
    unsafe fn store_doubles([low, high]: Self::Doubles, to: *mut f64) {
        // SAFETY: the caller promises 4 writable values.
        unsafe {
            _mm_storeu_pd(to, low);
            _mm_storeu_pd(to.add(2), high);
        }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Doubles {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe {
            [
                _mm_cvtps_pd(self.0),
                _mm_cvtps_pd(_mm_movehl_ps(self.0, self.0)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn add_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { [_mm_add_pd(a[0], b[0]), _mm_add_pd(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe { [_mm_mul_pd(a[0], b[0]), _mm_mul_pd(a[1], b[1])] }
    }
}

entry_points!(f32 Group<Xmm, 4>, tile 2, features "sse2");
entry_points!(wino2x2x4 Group<Xmm, 4>, tile 2, features "sse2");
entry_points!(exact Group<Xmm, 4>, features "sse2");

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
        // SAFETY: the caller promises 64 readable weights and 4 inputs per voxel.
        unsafe {
            for part in 0..4 {
                let weights = _mm_loadu_si128(weights.cast::<__m128i>().add(part));
                let even = _mm_srai_epi16::<8>(_mm_slli_epi16::<8>(weights));
                let odd = _mm_srai_epi16::<8>(weights);
                for (i, sums) in sums.iter_mut().enumerate() {
                    let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                    let inputs = _mm_set1_epi32(inputs);
                    let products = _mm_add_epi32(
                        _mm_madd_epi16(_mm_and_si128(inputs, _mm_set1_epi16(0xff)), even),
                        _mm_madd_epi16(_mm_srli_epi16::<8>(inputs), odd),
                    );
                    sums.0[part] = _mm_add_epi32(sums.0[part], products);
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

entry_points!(int8 Sums, tile 2, features "sse2");

/// Two registers.
#[derive(Clone, Copy)]
pub(crate) struct Xwords([__m128i; 2]);

impl Words for Xwords {
    #[inline(always)]
    unsafe fn widen(from: *const u8) -> Self {
        // SAFETY: the caller promises 16 readable bytes.
        unsafe {
            let (bytes, zero) = (_mm_loadu_si128(from.cast()), _mm_setzero_si128());
            Xwords([
                _mm_unpacklo_epi8(bytes, zero),
                _mm_unpackhi_epi8(bytes, zero),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        for (i, words) in self.0.into_iter().enumerate() {
            // SAFETY: the caller promises 16 writable values.
            unsafe { _mm_storeu_si128(to.cast::<__m128i>().add(i), words) };
        }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: SSE2 is part of every x86-64 processor.
            *part = unsafe { _mm_add_epi16(*part, other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: SSE2 is part of every x86-64 processor.
            *part = unsafe { _mm_sub_epi16(*part, other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        Xwords(self.0.map(|words| unsafe { _mm_slli_epi16::<BITS>(words) }))
    }
}

impl WordDot for Sums {
    type Words = Xwords;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        Sums(unsafe { [_mm_setzero_si128(); 4] })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        for (i, sums) in self.0.into_iter().enumerate() {
            // SAFETY: the caller promises 16 writable values.
            unsafe { _mm_storeu_si128(to.cast::<__m128i>().add(i), sums) };
        }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: SSE2 is part of every x86-64 processor.
            *part = unsafe { _mm_add_epi32(*part, other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: SSE2 is part of every x86-64 processor.
            *part = unsafe { _mm_sub_epi32(*part, other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        Sums(self.0.map(|sums| unsafe { _mm_slli_epi32::<BITS>(sums) }))
    }

    #[inline(always)]
    unsafe fn shifted_third<const BITS: i32>(self) -> Self {
        // SAFETY: SSE2 is part of every x86-64 processor.
        Sums(self.0.map(|sums| unsafe {
            // The low halves of 64-bit products, of even and of odd values.
            let third = _mm_set1_epi32(THIRD);
            let even = _mm_mul_epu32(sums, third);
            let odd = _mm_mul_epu32(_mm_srli_epi64::<32>(sums), third);
            let [even, odd] = [even, odd].map(|products| _mm_shuffle_epi32::<0b1000>(products));
            _mm_srai_epi32::<BITS>(_mm_unpacklo_epi32(even, odd))
        }))
    }

    #[inline(always)]
    unsafe fn accumulate_words<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const i16,
        step: usize,
        weights: *const i16,
    ) {
        // SAFETY: the caller promises 32 readable weights and 2 inputs per tile.
        unsafe {
            for part in 0..4 {
                let weights = _mm_loadu_si128(weights.cast::<__m128i>().add(part));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                    let products = _mm_madd_epi16(_mm_set1_epi32(inputs), weights);
                    sums.0[part] = _mm_add_epi32(sums.0[part], products);
                }
            }
        }
    }
}

entry_points!(wino_int8 Sums, tiles 2 2, features "sse2");
