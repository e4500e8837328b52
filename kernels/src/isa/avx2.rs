//! Kernels for AVX2 with FMA: two registers per vector.

use std::arch::x86_64::*;

use super::entry_points;
use crate::contract::LANES;
use crate::dot::Dot;
use crate::vector::{Group, Unfused, Vector};
use crate::words::{THIRD, WordDot, Words};

#[derive(Clone, Copy)]
pub(crate) struct Ymm(pub(super) __m256);

impl Vector for Ymm {
    const LANES: usize = 8;
    const FUSED: bool = true;
    type Part = Self;
    type Doubles = [__m256d; 2];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 8 readable values.
        unsafe { Ymm(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises 8 writable values.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, zero: i32, to: *mut u8) {
        // SAFETY: the caller promises 8 writable bytes.
        unsafe {
            let rounded = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(zero));
            let [low, high] = [
                _mm256_castsi256_si128(rounded),
                _mm256_extracti128_si256::<1>(rounded),
            ];
            let words = _mm_packs_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { Ymm(_mm256_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn prefetch(at: *const f32) {
        // SAFETY: a hint, which fails at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { [_mm256_setzero_pd(); 2] }
    }

    #[inline(always)]
    unsafe fn store_doubles([low, high]: Self::Doubles, to: *mut f64) {
        // SAFETY: the caller promises 8 writable values.
        unsafe {
            _mm256_storeu_pd(to, low);
            _mm256_storeu_pd(to.add(4), high);
        }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Doubles {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe {
            [
                _mm256_cvtps_pd(_mm256_castps256_ps128(self.0)),
                _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(self.0)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn add_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { [_mm256_add_pd(a[0], b[0]), _mm256_add_pd(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: the caller promises AVX2 and FMA.
        unsafe { [_mm256_mul_pd(a[0], b[0]), _mm256_mul_pd(a[1], b[1])] }
    }
}

entry_points!(f32 Group<Ymm, 2>, tile 6, features "avx2,fma,f16c");
entry_points!(wino2x2x4 Group<Ymm, 2>, tile 6, features "avx2,fma,f16c");
entry_points!(exact Group<Ymm, 2>, features "avx2,fma,f16c");

/// The sums of a voxel, two registers.
#[derive(Clone, Copy)]
pub(crate) struct Sums(pub(super) [__m256i; 2]);

impl Dot for Sums {
    type Floats = Unfused<Group<Ymm, 2>>;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        unsafe {
            Sums([
                _mm256_loadu_si256(from.cast()),
                _mm256_loadu_si256(from.add(8).cast()),
            ])
        }
    }

    #[inline(always)]
    unsafe fn accumulate<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const u8,
        step: usize,
        weights: *const i8,
    ) {
        // SAFETY: the caller promises AVX2, 64 readable weights and 4 inputs per voxel.
        unsafe {
            let weights = Sums::load(weights.cast()).0;
            let ones = _mm256_set1_epi16(1);
            for (i, sums) in sums.iter_mut().enumerate() {
                let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                let inputs = _mm256_set1_epi32(inputs);
                for (sums, weights) in sums.0.iter_mut().zip(weights) {
                    let pairs = _mm256_maddubs_epi16(inputs, weights);
                    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(pairs, ones));
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
        // SAFETY: arrays hold what is read and written; the caller promises AVX2.
        unsafe {
            let weights = _mm256_broadcastsi128_si256(_mm_loadu_si128(weights.as_ptr().cast()));
            let ones = _mm256_set1_epi16(1);
            let halves = voxels.as_chunks::<8>().0.iter();
            for (sums, voxels) in sums.as_chunks_mut::<8>().0.iter_mut().zip(halves) {
                let mut fours = [_mm256_setzero_si256(); 4];
                for (fours, voxels) in fours.iter_mut().zip(voxels.as_chunks::<2>().0) {
                    let inputs = _mm256_loadu_si256(voxels.as_ptr().cast());
                    *fours = _mm256_madd_epi16(_mm256_maddubs_epi16(inputs, weights), ones);
                }
                // Even voxels in the lower half, odd ones in the upper.
                let [a, b, c, d] = fours;
                let all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
                let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                let all = _mm256_permutevar8x32_epi32(all, order);
                let sums = sums.as_mut_ptr().cast::<__m256i>();
                sums.write_unaligned(_mm256_add_epi32(sums.read_unaligned(), all));
            }
        }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        let [low, high] = self.0;
        // SAFETY: the caller promises AVX2.
        unsafe {
            Unfused(Group([
                Ymm(_mm256_cvtepi32_ps(low)),
                Ymm(_mm256_cvtepi32_ps(high)),
            ]))
        }
    }
}

entry_points!(int8 Sums, tile 6, features "avx2,fma,f16c");

/// One register.
#[derive(Clone, Copy)]
pub(crate) struct Ywords(__m256i);

impl Words for Ywords {
    #[inline(always)]
    unsafe fn widen(from: *const u8) -> Self {
        // SAFETY: the caller promises 16 readable bytes.
        Ywords(unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(from.cast())) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        // SAFETY: the caller promises 16 writable values.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        Ywords(unsafe { _mm256_add_epi16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller promises AVX2.
        Ywords(unsafe { _mm256_sub_epi16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(self) -> Self {
        // SAFETY: the caller promises AVX2.
        Ywords(unsafe { _mm256_slli_epi16::<BITS>(self.0) })
    }
}

impl WordDot for Sums {
    type Words = Ywords;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller promises AVX2.
        Sums(unsafe { [_mm256_setzero_si256(); 2] })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        for (i, sums) in self.0.into_iter().enumerate() {
            // SAFETY: the caller promises 16 writable values.
            unsafe { _mm256_storeu_si256(to.cast::<__m256i>().add(i), sums) };
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: the caller promises AVX2.
        unsafe { Sums([_mm256_add_epi32(a, c), _mm256_add_epi32(b, d)]) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: the caller promises AVX2.
        unsafe { Sums([_mm256_sub_epi32(a, c), _mm256_sub_epi32(b, d)]) }
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(self) -> Self {
        let [low, high] = self.0;
        // SAFETY: the caller promises AVX2.
        unsafe {
            Sums([
                _mm256_slli_epi32::<BITS>(low),
                _mm256_slli_epi32::<BITS>(high),
            ])
        }
    }

    #[inline(always)]
    unsafe fn shifted_third<const BITS: i32>(self) -> Self {
        let [low, high] = self.0;
        // SAFETY: the caller promises AVX2.
        unsafe {
            let third = _mm256_set1_epi32(THIRD);
            Sums([
                _mm256_srai_epi32::<BITS>(_mm256_mullo_epi32(low, third)),
                _mm256_srai_epi32::<BITS>(_mm256_mullo_epi32(high, third)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn accumulate_words<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const i16,
        step: usize,
        weights: *const i16,
    ) {
        // SAFETY: the caller promises AVX2, 32 readable weights and 2 inputs per tile.
        unsafe {
            let weights = Sums::load(weights.cast()).0;
            for (i, sums) in sums.iter_mut().enumerate() {
                let inputs = inputs.add(i * step).cast::<i32>().read_unaligned();
                let inputs = _mm256_set1_epi32(inputs);
                for (sums, weights) in sums.0.iter_mut().zip(weights) {
                    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(inputs, weights));
                }
            }
        }
    }
}

entry_points!(wino_int8 Sums, tiles 6 3, features "avx2,fma,f16c");

/// The same with separate multiply and add.
pub(crate) mod unfused {
    use super::*;

    entry_points!(f32 Unfused<Group<Ymm, 2>>, tile 6, features "avx2,fma,f16c");
}
