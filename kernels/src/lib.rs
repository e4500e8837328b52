//! SIMD kernels of the endocast engine.
