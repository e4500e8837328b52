//! Aligned memory and its division among threads.

use bytemuck::{Pod, Zeroable};

use crate::plan::{Region, Role};

/// One cache line.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A block of bytes, zero at first, that starts on a cache line.
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Buffer {
        Buffer {
            lines: vec![Line::zeroed(); len.div_ceil(size_of::<Line>())],
            len,
        }
    }

    /// A copy of `values`.
    pub fn copied(values: &[f32]) -> Buffer {
        let mut buffer = Buffer::zeroed(size_of_val(values));
        buffer.as_f32_mut().copy_from_slice(values);
        buffer
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
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
