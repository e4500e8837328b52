//! SIMD kernels of the endocast engine: one output plane per call.

pub mod contract;
pub mod cpu;
