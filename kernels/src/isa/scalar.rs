//! Portable kernels: the same arithmetic in plain Rust, for any processor.

use std::array::from_fn;

use super::entry_points;
use crate::contract::{GROUP, LANES};
use crate::dot::Dot;
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
    unsafe fn store_bytes(self, zero: i32, to: *mut u8) {
        // Adding it leaves an integer in the low bits of the sum.
        const MAGIC: f32 = (3 << 22) as f32;
        let round = |value: f32| (value + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32;
        let bytes = self.0.map(|value| (round(value) + zero) as u8);
        // SAFETY: the caller promises 4 writable bytes; the write needs no alignment.
        unsafe { to.cast::<[u8; 4]>().write_unaligned(bytes) }
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

entry_points!(f32 Group<Quad, 4>, tile 2);
entry_points!(wino2x2x4 Group<Quad, 4>, tile 2);
entry_points!(exact Group<Quad, 4>);

/// The sums of a voxel.
#[derive(Clone, Copy)]
pub(crate) struct Sums([i32; LANES]);

impl Dot for Sums {
    type Floats = Group<Quad, 4>;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller promises 16 readable values; the read needs no alignment.
        Sums(unsafe { from.cast::<[i32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn accumulate<const WIDTH: usize>(
        sums: &mut [Self; WIDTH],
        inputs: *const u8,
        step: usize,
        weights: *const i8,
    ) {
        // SAFETY: the caller promises 16 x 4 readable weights.
        let weights = unsafe { weights.cast::<[[i8; GROUP]; LANES]>().read() };
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller promises 4 readable inputs per voxel.
            let inputs = unsafe { inputs.add(i * step).cast::<[u8; GROUP]>().read() };
            for (sum, weights) in sums.0.iter_mut().zip(&weights) {
                for (input, weight) in inputs.iter().zip(weights) {
                    *sum += i32::from(*input) * i32::from(*weight);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        Group(from_fn(|i| Quad(from_fn(|j| self.0[4 * i + j] as f32))))
    }
}

entry_points!(int8 Sums, tile 4);

/// The kernel for AMX with tiles in software.
pub(crate) mod modelled {
    use super::*;
    use crate::tiles::model::Model;

    entry_points!(tiles Model, Sums);
}
