//! Aligned memory and its division among threads.

use bytemuck::{Pod, Zeroable};

use crate::plan::{Region, Role};

/// One cache line of `f32`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A block of zero-initialised `f32` whose start is a cache line.
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Buffer {
        Buffer {
            lines: vec![Line::zeroed(); len.div_ceil(16)],
            len,
        }
    }

    /// A copy of `values`.
    pub fn copied(values: &[f32]) -> Buffer {
        let mut buffer = Buffer::zeroed(values.len());
        buffer.as_mut_slice().copy_from_slice(values);
        buffer
    }

    /// The values.
    pub fn as_slice(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    /// The values.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// Hands out the parts of `memory` that `regions` (disjoint, by offset) describe.
pub fn carve<'a>(
    mut memory: &'a mut [f32],
    regions: &[Region],
    mut give: impl FnMut(Role, &'a mut [f32]),
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
