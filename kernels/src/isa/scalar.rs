//! Portable kernels: the same arithmetic in plain Rust, for any processor.

use std::array::from_fn;

use super::entry_points;
use crate::vector::{Group, Vector};

/// Four values that the compiler may keep in whatever registers there are.
#[derive(Clone, Copy)]
pub(crate) struct Quad([f32; 4]);

impl Vector for Quad {
    const LANES: usize = 4;
    const FUSED: bool = false;
    type Part = Self;
    type Doubles = [f64; 4];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 4 readable values; the read needs no alignment.
        unsafe { Quad(from.cast::<[f32; 4]>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises 4 writable values; the write needs no alignment.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Quad([value; 4])
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.zip(factor, |a, b| a * b).zip(addend, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        [0.0; 4]
    }

    #[inline(always)]
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64) {
        // SAFETY: the caller promises 4 writable values; the write needs no alignment.
        unsafe { to.cast::<Self::Doubles>().write_unaligned(doubles) }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Doubles {
        self.0.map(f64::from)
    }

    #[inline(always)]
    unsafe fn add_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn mul_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        from_fn(|i| a[i] * b[i])
    }
}

impl Quad {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Quad(from_fn(|i| f(self.0[i], other.0[i])))
    }
}

entry_points!(Group<Quad, 4>, tile 2, wino2x4 2);
