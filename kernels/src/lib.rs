//! SIMD kernels of the endocast engine: convolution in `f32` and int8, interpolation, element-wise
//! maps, quantisation, sums and link functions over one plane of a volume at a time.
//!
//! [`contract`] says what every operation computes and how its data lies in memory, [`registry`]
//! picks the kernel for a processor and a problem, [`peak`] measures what a processor could do at best,
//! [`mod@reference`] is the slow oracle for tests.

pub mod contract;
pub mod cpu;
pub mod peak;
pub mod reference;
pub mod registry;

mod dot;
mod exponential;
mod isa;
mod op;
mod tiles;
mod vector;
mod words;
