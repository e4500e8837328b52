//! Bodies of the operations, generic over the vector type.

pub(crate) mod conv;
pub(crate) mod conv_int8;
pub(crate) mod conv_int8_tiles;
mod finish;
mod head;
pub(crate) mod link;
pub(crate) mod moments;
pub(crate) mod pointwise;
pub(crate) mod quantize;
pub(crate) mod upsample;
pub(crate) mod winograd;
pub(crate) mod winograd_int8;

use crate::contract::{LANES, Plane, PlaneMut, PlaneShape};

/// Voxels of the next tile where `left` remain and `widest` fit the registers: the last two tiles
/// share what is left, because a narrow one spends its time waiting for its own sums.
#[inline(always)]
fn tile_width(left: usize, widest: usize) -> usize {
    if left > widest && left < 2 * widest {
        left.div_ceil(2)
    } else {
        left.min(widest)
    }
}

/// Cuts `0..count` into tiles no wider than the constant `widest`, and runs the body for each: `at` is
/// where it starts, `WIDTH` how wide it is, a constant. Widths beyond `widest` vanish at compile time.
macro_rules! for_each_tile {
    ($count:expr, $widest:ident, |$at:ident, $WIDTH:ident| $body:block) => {
        for_each_tile!(@ $count, $widest, $at, $WIDTH, $body, 28 24 20 16 12 8 6 5 4 3 2 1)
    };
    (@ $count:expr, $widest:ident, $at:ident, $WIDTH:ident, $body:block, $($width:literal)*) => {
        let mut $at = 0;
        while $at < $count {
            let width = crate::op::tile_width($count - $at, $widest);
            $(if $width <= $widest && width >= $width {
                const $WIDTH: usize = $width;
                $body
                $at += $WIDTH;
                continue;
            })*
        }
    };
}
pub(crate) use for_each_tile;

/// A blocked plane as raw parts: where its first interior voxel is and how to step from there.
#[derive(Clone, Copy)]
pub(crate) struct View<P> {
    base: P,
    pitch: usize,
    area: usize,
}

impl<P> View<P> {
    /// Elements from the first interior voxel of block 0 to voxel (`row`, `column`) of `block`.
    #[inline(always)]
    fn offset(&self, block: usize, row: usize, column: usize) -> usize {
        (block * self.area + row * self.pitch + column) * LANES
    }
}

impl<T> View<*const T> {
    /// # Safety
    ///
    /// `plane` has room for the interior of `height` x `width` voxels and its halo.
    #[inline(always)]
    unsafe fn new(plane: &Plane<T>, height: usize, width: usize) -> Self {
        let shape = PlaneShape {
            height,
            width,
            halo: plane.halo,
        };
        View {
            // SAFETY: the first interior voxel lies inside the plane, says the caller.
            base: unsafe { plane.data.as_ptr().add(shape.voxel(0, 0) * LANES) },
            pitch: shape.pitch(),
            area: shape.area(),
        }
    }

    /// # Safety
    ///
    /// The voxel is an interior voxel of the plane.
    #[inline(always)]
    unsafe fn at(&self, block: usize, row: usize, column: usize) -> *const T {
        // SAFETY: the caller names an interior voxel.
        unsafe { self.base.add(self.offset(block, row, column)) }
    }
}

impl<T> View<*mut T> {
    /// # Safety
    ///
    /// `plane` has room for the interior of `height` x `width` voxels and its halo.
    #[inline(always)]
    unsafe fn new_mut(plane: &mut PlaneMut<T>, height: usize, width: usize) -> Self {
        let shape = PlaneShape {
            height,
            width,
            halo: plane.halo,
        };
        View {
            // SAFETY: the first interior voxel lies inside the plane, says the caller.
            base: unsafe { plane.data.as_mut_ptr().add(shape.voxel(0, 0) * LANES) },
            pitch: shape.pitch(),
            area: shape.area(),
        }
    }

    /// # Safety
    ///
    /// The voxel is an interior voxel of the plane.
    #[inline(always)]
    unsafe fn at(&self, block: usize, row: usize, column: usize) -> *mut T {
        // SAFETY: the caller names an interior voxel.
        unsafe { self.base.add(self.offset(block, row, column)) }
    }
}
