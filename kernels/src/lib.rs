//! SIMD kernels of the endocast engine: convolution, interpolation, element-wise maps and sums over
//! one plane of a volume at a time.
//!
//! [`contract`] says what every operation computes and how its data lies in memory, [`registry`]
//! picks the kernel for a processor and a problem, [`mod@reference`] is the slow oracle for tests.

pub mod contract;
pub mod cpu;
pub mod reference;
pub mod registry;

mod isa;
mod op;
mod vector;
