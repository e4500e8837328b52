//! Aligned memory and its division among threads.

use crate::plan::{Region, Role};

/// One cache line, in bytes.
const LINE: usize = 64;

/// A block of bytes, zero at first, that starts on a cache line.
pub struct Buffer {
    /// The block and as many bytes more as it takes to start on a line.
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` zeros; the system supplies pages as they are touched.
    pub fn zeroed(len: usize) -> Buffer {
        let memory = vec![0; len + LINE - 1];
        Buffer {
            start: memory.as_ptr().align_offset(LINE),
            memory,
            len,
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.len]
    }

    /// The bytes as numbers.
    pub fn as_f32(&self) -> &[f32] {
        bytemuck::cast_slice(self.bytes())
    }

    /// The bytes as numbers.
    pub fn as_f32_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.bytes_mut())
    }
}

/// Hands out the parts of `memory` that `regions` (disjoint, by offset) describe.
pub fn carve<'a>(
    mut memory: &'a mut [u8],
    regions: &[Region],
    mut give: impl FnMut(Role, &'a mut [u8]),
) {
    let mut start = 0;
    for region in regions {
        let (_, rest) = memory.split_at_mut(region.offset - start);
        let (part, rest) = rest.split_at_mut(region.len);
        give(region.role, part);
        memory = rest;
        start = region.offset + region.len;
    }
}
