//! Kernels for WebAssembly's 128-bit vectors: four registers per vector, separate multiply and add.

use std::arch::wasm32::*;
use std::array::from_fn;

use super::entry_points;
use crate::dot::Dot;
use crate::vector::{Group, Vector};
use crate::words::{THIRD, WordDot, Words};

#[derive(Clone, Copy)]
pub(crate) struct Quad(v128);

impl Vector for Quad {
    const LANES: usize = 4;
    const FUSED: bool = false;
    type Part = Self;
    type Doubles = [v128; 2];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 4 readable values.
        unsafe { Quad(v128_load(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises 4 writable values.
        unsafe { v128_store(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, zero: i32, to: *mut u8) {
        let rounded = i32x4_trunc_sat_f32x4(f32x4_nearest(self.0));
        let words = i32x4_add(rounded, i32x4_splat(zero));
        let words = i16x8_narrow_i32x4(words, words);
        let bytes = u8x16_narrow_i16x8(words, words);
        // SAFETY: the caller promises 4 writable bytes.
        unsafe { v128_store32_lane::<0>(bytes, to.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Quad(f32x4_splat(value))
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Quad(f32x4_add(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Quad(f32x4_sub(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Quad(f32x4_mul(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Quad(f32x4_div(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Quad(f32x4_add(f32x4_mul(self.0, factor.0), addend.0))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // The pseudo-maximum returns its first operand where the comparison is unordered or equal.
        Quad(f32x4_pmax(other.0, self.0))
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Quad(f32x4_pmin(other.0, self.0))
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        [f64x2_splat(0.0); 2]
    }

    #[inline(always)]
    unsafe fn store_doubles([low, high]: Self::Doubles, to: *mut f64) {
        // SAFETY: the caller promises 4 writable values.
        unsafe {
            v128_store(to.cast(), low);
            v128_store(to.add(2).cast(), high);
        }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Doubles {
        let high = i32x4_shuffle::<2, 3, 2, 3>(self.0, self.0);
        [
            f64x2_promote_low_f32x4(self.0),
            f64x2_promote_low_f32x4(high),
        ]
    }

    #[inline(always)]
    unsafe fn add_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        [f64x2_add(a[0], b[0]), f64x2_add(a[1], b[1])]
    }

    #[inline(always)]
    unsafe fn mul_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        [f64x2_mul(a[0], b[0]), f64x2_mul(a[1], b[1])]
    }
}

entry_points!(f32 Group<Quad, 4>, tile 2, features "simd128");
entry_points!(wino2x2x4 Group<Quad, 4>, tile 2, features "simd128");
entry_points!(exact Group<Quad, 4>, features "simd128");

/// The sums of a voxel, four registers.
#[derive(Clone, Copy)]
pub(crate) struct Sums([v128; 4]);

impl Dot for Sums {
    type Floats = Group<Quad, 4>;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller promises 16 readable values.
        Sums(from_fn(|i| unsafe {
            v128_load(from.cast::<v128>().add(i))
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
                let weights = v128_load(weights.cast::<v128>().add(part));
                let even = i16x8_shr(i16x8_shl(weights, 8), 8);
                let odd = i16x8_shr(weights, 8);
                for i in 0..WIDTH {
                    let bytes = v128_load32_splat(inputs.add(i * step).cast());
                    let low = i32x4_dot_i16x8(v128_and(bytes, u16x8_splat(0xff)), even);
                    let high = i32x4_dot_i16x8(u16x8_shr(bytes, 8), odd);
                    sums[i].0[part] = i32x4_add(sums[i].0[part], i32x4_add(low, high));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        Group(self.0.map(|sums| Quad(f32x4_convert_i32x4(sums))))
    }
}

entry_points!(int8 Sums, tile 2, features "simd128");

/// Two registers of 16-bit values.
#[derive(Clone, Copy)]
pub(crate) struct Xwords([v128; 2]);

impl Words for Xwords {
    #[inline(always)]
    unsafe fn widen(from: *const u8) -> Self {
        // SAFETY: the caller promises 16 readable bytes.
        let bytes = unsafe { v128_load(from.cast()) };
        Xwords([
            u16x8_extend_low_u8x16(bytes),
            u16x8_extend_high_u8x16(bytes),
        ])
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        for (i, words) in self.0.into_iter().enumerate() {
            // SAFETY: the caller promises 16 writable values.
            unsafe { v128_store(to.cast::<v128>().add(i), words) };
        }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            *part = i16x8_add(*part, other);
        }
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            *part = i16x8_sub(*part, other);
        }
        self
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(self) -> Self {
        Xwords(self.0.map(|words| i16x8_shl(words, BITS as u32)))
    }
}

impl WordDot for Sums {
    type Words = Xwords;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Sums([i32x4_splat(0); 4])
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        for (i, sums) in self.0.into_iter().enumerate() {
            // SAFETY: the caller promises 16 writable values.
            unsafe { v128_store(to.cast::<v128>().add(i), sums) };
        }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            *part = i32x4_add(*part, other);
        }
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            *part = i32x4_sub(*part, other);
        }
        self
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(self) -> Self {
        Sums(self.0.map(|sums| i32x4_shl(sums, BITS as u32)))
    }

    #[inline(always)]
    unsafe fn shifted_third<const BITS: i32>(self) -> Self {
        let third = i32x4_splat(THIRD);
        Sums(
            self.0
                .map(|sums| i32x4_shr(i32x4_mul(sums, third), BITS as u32)),
        )
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
                let weights = v128_load(weights.cast::<v128>().add(part));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let inputs = v128_load32_splat(inputs.add(i * step).cast());
                    let products = i32x4_dot_i16x8(inputs, weights);
                    sums.0[part] = i32x4_add(sums.0[part], products);
                }
            }
        }
    }
}

entry_points!(wino_int8 Sums, tiles 2 2, features "simd128");
