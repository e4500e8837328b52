//! Aligned memory and its division among threads.

use std::io;

use memmap2::MmapMut;

use crate::plan::{Region, Role};

/// One cache line, in bytes.
const LINE: usize = 64;

/// Blocks of this size, in bytes, are worth a mapping of their own: one of the system's large pages.
const LARGE: usize = 2 << 20;

/// A block of bytes, zero at first, that starts on a cache line.
pub struct Buffer {
    memory: Memory,
    start: usize,
    len: usize,
}

enum Memory {
    /// Pages of the system's.
    Pages(MmapMut),
    /// Of the allocator's, with as many bytes more as it takes to start on a line.
    Heap(Vec<u8>),
}

impl Buffer {
    /// `len` zeros; the system supplies pages as they are touched, large ones where it has them.
    pub fn zeroed(len: usize) -> Buffer {
        let memory = match (len >= LARGE).then(|| pages(len)) {
            Some(Ok(pages)) => Memory::Pages(pages),
            _ => Memory::Heap(vec![0; len + LINE - 1]),
        };
        let start = match &memory {
            Memory::Pages(_) => 0,
            Memory::Heap(bytes) => bytes.as_ptr().align_offset(LINE),
        };
        Buffer { memory, start, len }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        let memory: &[u8] = match &self.memory {
            Memory::Pages(pages) => pages,
            Memory::Heap(bytes) => bytes,
        };
        &memory[self.start..][..self.len]
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let memory: &mut [u8] = match &mut self.memory {
            Memory::Pages(pages) => pages,
            Memory::Heap(bytes) => bytes,
        };
        &mut memory[self.start..][..self.len]
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

/// `len` bytes of pages, which saves most page faults and address translations where they may be large.
fn pages(len: usize) -> io::Result<MmapMut> {
    let pages = MmapMut::map_anon(len)?;
    // A system without large pages refuses, and small ones do.
    #[cfg(target_os = "linux")]
    let _ = pages.advise(memmap2::Advice::HugePage);
    Ok(pages)
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
