//! Brain extraction from head MRI on plain CPUs.
//!
//! Data flows one way: volume, pre, plan, exec, post, volume.

pub mod exec;
pub mod metrics;
pub mod plan;
pub mod post;
pub mod pre;
pub mod volume;

pub use endocast_kernels as kernels;
pub use endocast_weights as weights;
