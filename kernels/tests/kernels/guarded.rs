//! Slices whose surroundings cannot be touched.

use std::ops::{Deref, DerefMut};
use std::ptr;

/// Where a slice lies between its two inaccessible pages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placement {
    /// It ends where an inaccessible page begins.
    End,
    /// It begins where an inaccessible page ends.
    Start,
    /// One element before `End`, so that its address is a multiple of nothing but an element.
    Skewed,
}

impl Placement {
    /// Every placement.
    pub const ALL: [Placement; 3] = [Placement::End, Placement::Start, Placement::Skewed];
}

/// A slice in pages of its own, an inaccessible page on either side.
pub struct Guarded<T> {
    mapping: *mut libc::c_void,
    mapped: usize,
    first: *mut T,
    len: usize,
}

impl<T: Copy> Guarded<T> {
    /// A copy of `values`.
    pub fn new(values: &[T], placement: Placement) -> Guarded<T> {
        // SAFETY: asking for the page size touches no memory.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let bytes = size_of_val(values);
        let skew = match placement {
            Placement::Skewed => size_of::<T>(),
            Placement::End | Placement::Start => 0,
        };
        let room = (bytes + skew).max(1).next_multiple_of(page);
        let mapped = room + 2 * page;
        let offset = match placement {
            Placement::Start => page,
            Placement::End | Placement::Skewed => page + room - bytes - skew,
        };
        // SAFETY: a new private mapping changes no other memory; the part made accessible lies
        // inside it and holds `values` at `offset`, aligned because pages and sizes are multiples
        // of the elements' alignment.
        unsafe {
            let mapping = libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(mapping, libc::MAP_FAILED, "no memory");
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(mapping.byte_add(page), room, access), 0);
            let first = mapping.byte_add(offset).cast::<T>();
            first.copy_from_nonoverlapping(values.as_ptr(), values.len());
            Guarded {
                mapping,
                mapped,
                first,
                len: values.len(),
            }
        }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `new` put `len` values there, and they live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`; `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.len) }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own and ends with it.
        unsafe { libc::munmap(self.mapping, self.mapped) };
    }
}
