//! The private vector type that every generic body is written in.

/// Some `f32` lanes: one register, or several as one [`Group`].
///
/// # Safety
///
/// Every method requires that the processor has the instruction set of the implementing type;
/// loads and stores also that all lanes at the pointer may be read or written. No alignment is
/// needed.
pub(crate) trait Vector: Copy {
    /// Values in the vector.
    const LANES: usize;
    /// Whether [`mul_add`](Self::mul_add) rounds once instead of twice.
    const FUSED: bool;
    /// One register of it.
    type Part: Vector;
    /// As many `f64` values.
    type Doubles: Copy;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Rounds to nearest, halves to even, adds `zero` and stores bytes, which must result.
    unsafe fn store_bytes(self, zero: i32, to: *mut u8);
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
    /// `self` in `f64`.
    unsafe fn widen(self) -> Self::Doubles;
    unsafe fn add_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles;
    unsafe fn mul_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles;

    /// Asks for the cache line at `at`, which need not exist, to be brought to the second-level cache.
    #[inline(always)]
    fn prefetch(_at: *const f32) {}

    /// `max(slope * self, self)`.
    #[inline(always)]
    unsafe fn leaky(self, slope: Self) -> Self {
        // SAFETY: the caller promises the instruction set.
        unsafe { slope.mul(self).max(self) }
    }
}

/// `N` registers side by side.
///
/// Loops, not closures: a closure does not have the caller's instruction set, and when the compiler
/// does not inline it every operation becomes a call.
#[derive(Clone, Copy)]
pub(crate) struct Group<R, const N: usize>(pub [R; N]);

impl<R: Vector, const N: usize> Vector for Group<R, N> {
    const LANES: usize = N * R::LANES;
    const FUSED: bool = R::FUSED;
    type Part = R;
    type Doubles = [R::Doubles; N];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: passed on from the caller.
        unsafe {
            let mut parts = [R::load(from); N];
            for (i, part) in parts.iter_mut().enumerate().skip(1) {
                *part = R::load(from.add(i * R::LANES));
            }
            Group(parts)
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (i, part) in self.0.into_iter().enumerate() {
            // SAFETY: passed on from the caller.
            unsafe { part.store(to.add(i * R::LANES)) }
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, zero: i32, to: *mut u8) {
        for (i, part) in self.0.into_iter().enumerate() {
            // SAFETY: passed on from the caller.
            unsafe { part.store_bytes(zero, to.add(i * R::LANES)) }
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Group([R::splat(value); N]) }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: passed on from the caller.
            *part = unsafe { part.add(other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: passed on from the caller.
            *part = unsafe { part.sub(other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn mul(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: passed on from the caller.
            *part = unsafe { part.mul(other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn div(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: passed on from the caller.
            *part = unsafe { part.div(other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn mul_add(mut self, factor: Self, addend: Self) -> Self {
        for (part, (factor, addend)) in self.0.iter_mut().zip(factor.0.into_iter().zip(addend.0)) {
            // SAFETY: passed on from the caller.
            *part = unsafe { part.mul_add(factor, addend) };
        }
        self
    }

    #[inline(always)]
    unsafe fn max(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: passed on from the caller.
            *part = unsafe { part.max(other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn min(mut self, other: Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: passed on from the caller.
            *part = unsafe { part.min(other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: passed on from the caller.
        unsafe { [R::zero_doubles(); N] }
    }

    #[inline(always)]
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64) {
        for (i, part) in doubles.into_iter().enumerate() {
            // SAFETY: passed on from the caller.
            unsafe { R::store_doubles(part, to.add(i * R::LANES)) }
        }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Doubles {
        // SAFETY: passed on from the caller.
        unsafe {
            let mut doubles = [self.0[0].widen(); N];
            for (doubles, part) in doubles.iter_mut().zip(self.0).skip(1) {
                *doubles = part.widen();
            }
            doubles
        }
    }

    #[inline(always)]
    unsafe fn add_doubles(mut a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        for (a, b) in a.iter_mut().zip(b) {
            // SAFETY: passed on from the caller.
            *a = unsafe { R::add_doubles(*a, b) };
        }
        a
    }

    #[inline(always)]
    unsafe fn mul_doubles(mut a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        for (a, b) in a.iter_mut().zip(b) {
            // SAFETY: passed on from the caller.
            *a = unsafe { R::mul_doubles(*a, b) };
        }
        a
    }
}

/// The same vector with two roundings in [`mul_add`](Vector::mul_add).
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // Elsewhere nothing is fused.
pub(crate) struct Unfused<V>(pub V);

impl<V: Vector> Vector for Unfused<V> {
    const LANES: usize = V::LANES;
    const FUSED: bool = false;
    type Part = Unfused<V::Part>;
    type Doubles = V::Doubles;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(V::load(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: passed on from the caller.
        unsafe { self.0.store(to) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, zero: i32, to: *mut u8) {
        // SAFETY: passed on from the caller.
        unsafe { self.0.store_bytes(zero, to) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(V::splat(value)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(self.0.add(other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(self.0.sub(other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(self.0.mul(other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(self.0.div(other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { self.mul(factor).add(addend) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(self.0.max(other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Unfused(self.0.min(other.0)) }
    }

    #[inline(always)]
    unsafe fn zero_doubles() -> Self::Doubles {
        // SAFETY: passed on from the caller.
        unsafe { V::zero_doubles() }
    }

    #[inline(always)]
    unsafe fn store_doubles(doubles: Self::Doubles, to: *mut f64) {
        // SAFETY: passed on from the caller.
        unsafe { V::store_doubles(doubles, to) }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Doubles {
        // SAFETY: passed on from the caller.
        unsafe { self.0.widen() }
    }

    #[inline(always)]
    unsafe fn add_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: passed on from the caller.
        unsafe { V::add_doubles(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_doubles(a: Self::Doubles, b: Self::Doubles) -> Self::Doubles {
        // SAFETY: passed on from the caller.
        unsafe { V::mul_doubles(a, b) }
    }
}
