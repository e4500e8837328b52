//! The box around a mask.

use std::ops::Range;

use ndarray::{Array3, Axis};

use super::header::Header;

/// Voxel ranges that hold every voxel of the mask and at least `margin_mm` beyond, as far as the
/// grid goes; `None` for an empty mask.
pub(crate) fn bounds(
    mask: &Array3<u8>,
    spacing: [f64; 3],
    margin_mm: f64,
) -> Option<[Range<usize>; 3]> {
    let mut ranges = [const { 0..0 }; 3];
    for (axis, range) in ranges.iter_mut().enumerate() {
        let extent = mask.len_of(Axis(axis));
        let occupied = |&index: &usize| mask.index_axis(Axis(axis), index).iter().any(|&v| v != 0);
        let first = (0..extent).find(occupied)?;
        let last = (0..extent).rfind(occupied)?;
        let margin = (margin_mm / spacing[axis]).ceil() as usize;
        *range = first.saturating_sub(margin)..(last + 1 + margin).min(extent);
    }
    Some(ranges)
}

/// Makes `header` that of the part of its grid in `ranges`.
pub(super) fn move_header(header: &mut Header, ranges: &[Range<usize>; 3]) {
    let start = std::array::from_fn(|axis| ranges[axis].start);
    let shape = std::array::from_fn(|axis| ranges[axis].len());
    header.set_part(start, shape);
}
