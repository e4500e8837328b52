//! Memory that starts on a 64-byte line.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;

/// Alignment of a model's bytes and of every tensor in them.
pub const ALIGNMENT: usize = 64;

/// Owned bytes that start on a 64-byte line.
pub struct AlignedBytes {
    /// The bytes and as many more as it takes to start on a line.
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBytes {
    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> AlignedBytes {
        let memory = vec![0; len + ALIGNMENT - 1];
        AlignedBytes {
            start: memory.as_ptr().align_offset(ALIGNMENT),
            memory,
            len,
        }
    }

    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> AlignedBytes {
        let mut aligned = AlignedBytes::zeroed(bytes.len());
        aligned.as_mut_slice().copy_from_slice(bytes);
        aligned
    }

    /// The first `len` bytes of `file`, from its current position.
    pub fn read(file: &mut File, len: usize) -> io::Result<AlignedBytes> {
        let mut aligned = AlignedBytes::zeroed(len);
        file.read_exact(aligned.as_mut_slice())?;
        Ok(aligned)
    }

    /// The bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.len]
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }
}

/// A value that starts on a 64-byte line; see [`include_model!`](crate::include_model).
#[repr(C, align(64))]
pub struct Aligned<T: ?Sized>(
    /// The value.
    pub T,
);

/// The bytes of a model file, compiled into the program on a 64-byte line: a `&'static [u8]` for
/// [`Model::from_static`](crate::Model::from_static).
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        static MODEL: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        &MODEL.0
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_aligned_and_equal() {
        for len in [0, 1, 64, 65, 1000, 1 << 20] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let aligned = AlignedBytes::copy_of(&bytes);
            assert_eq!(*aligned, bytes[..]);
            assert!(aligned.as_ptr().addr().is_multiple_of(ALIGNMENT));
        }
    }

    #[test]
    fn included_bytes_are_aligned() {
        let bytes: &'static [u8] = include_model!("bytes.rs");
        assert_eq!(bytes, include_bytes!("bytes.rs"));
        assert!(bytes.as_ptr().addr().is_multiple_of(ALIGNMENT));
    }
}
