//! Single precision or 8-bit integers.

use endocast_kernels::cpu::{Cpu, Isa};
use endocast_weights::Model;

/// Precision of a model's convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    F32,
    /// 8-bit integers, wherever the model has them.
    Int8,
}

impl Precision {
    /// That of `model`.
    pub fn of(model: &Model) -> Precision {
        if model.graph().is_quantised() {
            Precision::Int8
        } else {
            Precision::F32
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Int8 => "int8",
        }
    }

    /// The one that takes less time on `cpu`: int8, except where bytes cannot be multiplied in pairs
    /// (before SSSE3). docs/performance.md has the figures.
    pub fn fastest(cpu: Cpu) -> Precision {
        if cpu.has(Isa::Ssse3) {
            Precision::Int8
        } else {
            Precision::F32
        }
    }
}
