//! The private vector type that every generic body is written in: 16 `f32` lanes, however many
//! registers that takes.

use crate::contract::LANES;

/// Sixteen `f32` values.
///
/// # Safety
///
/// Every method requires that the processor has the instruction set of the implementing type;
/// `load` and `store` also that 16 values at the pointer may be read or written. No alignment is
/// needed.
pub(crate) trait Vector: Copy {
    /// Whether [`mul_add`](Self::mul_add) rounds once instead of twice.
    const FUSED: bool;
    /// Sixteen `f64` values.
    type Doubles: Copy;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// `self * factor + addend`.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger value; `other` where the comparison is unordered or equal.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller value; `other` where the comparison is unordered or equal.
    unsafe fn min(self, other: Self) -> Self;

    unsafe fn zero_doubles() -> Self::Doubles;
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64);
    /// `sum + self` and `squares + self * self` in `f64`; the square is exact before it is added.
    unsafe fn accumulate(
        self,
        sum: Self::Doubles,
        squares: Self::Doubles,
    ) -> (Self::Doubles, Self::Doubles);

    /// `max(slope * self, self)`.
    #[inline(always)]
    unsafe fn leaky(self, slope: Self) -> Self {
        // SAFETY: the caller promises the instruction set.
        unsafe { slope.mul(self).max(self) }
    }
}

/// Portable lanes, as many registers as the compiler makes of them.
pub(crate) type Portable = [f32; LANES];

#[inline(always)]
fn zip(a: Portable, b: Portable, f: impl Fn(f32, f32) -> f32) -> Portable {
    let mut out = a;
    for (out, b) in out.iter_mut().zip(b) {
        *out = f(*out, b);
    }
    out
}

impl Vector for Portable {
    const FUSED: bool = false;
    type Doubles = [f64; LANES];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 16 readable values; the read needs no alignment.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises 16 writable values; the write needs no alignment.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        zip(self, other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        zip(self, other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        zip(self, other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        zip(self, other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        zip(zip(self, factor, |a, b| a * b), addend, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        zip(self, other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        zip(self, other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        [0.0; LANES]
    }

    #[inline(always)]
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64) {
        // SAFETY: the caller promises 16 writable values; the write needs no alignment.
        unsafe { to.cast::<Self::Doubles>().write_unaligned(doubles) }
    }

    #[inline(always)]
    unsafe fn accumulate(
        self,
        mut sum: Self::Doubles,
        mut squares: Self::Doubles,
    ) -> (Self::Doubles, Self::Doubles) {
        for lane in 0..LANES {
            let value = f64::from(self[lane]);
            sum[lane] += value;
            squares[lane] += value * value;
        }
        (sum, squares)
    }
}
