//! The stand-in for `guarded.rs` where memory has no protection: values are tested, accesses are not.

use std::ops::{Deref, DerefMut};

/// Where a slice lies: as the allocator has it, or one element further.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placement {
    End,
    Start,
    Skewed,
}

impl Placement {
    /// Every placement.
    pub const ALL: [Placement; 3] = [Placement::End, Placement::Start, Placement::Skewed];
}

/// A slice in memory of its own.
pub struct Guarded<T> {
    memory: Vec<T>,
    skew: usize,
}

impl<T: Copy> Guarded<T> {
    /// A copy of `values`.
    pub fn new(values: &[T], placement: Placement) -> Guarded<T> {
        let skew = (placement == Placement::Skewed).into();
        let before = values.iter().take(skew);
        Guarded {
            memory: before.chain(values).copied().collect(),
            skew: skew.min(values.len()),
        }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.skew..]
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.skew..]
    }
}
