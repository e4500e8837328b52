//! Filling of holes: background that does not reach the border.

use super::Error;
use super::components::{Components, Connectivity, Run};
use super::error::check_shape;

/// Sets the background voxels of `mask` that no face-connected path of background joins to the
/// border of the volume to 1; returns how many.
///
/// `mask` fills `shape` with its first axis fastest; voxels that are not zero are in the mask.
///
/// # Errors
///
/// [`Error::Shape`].
pub fn fill_holes(mask: &mut [u8], shape: [usize; 3]) -> Result<u64, Error> {
    fill(mask, shape, Connectivity::Faces)
}

/// As [`fill_holes`], but in each slice across the third axis on its own.
///
/// # Errors
///
/// [`Error::Shape`].
pub fn fill_holes_by_slice(mask: &mut [u8], shape: [usize; 3]) -> Result<u64, Error> {
    fill(mask, shape, Connectivity::SliceFaces)
}

fn fill(mask: &mut [u8], shape: [usize; 3], connectivity: Connectivity) -> Result<u64, Error> {
    check_shape(shape, mask.len())?;
    let background = Components::label(mask, shape, false, connectivity);
    let [ni, nj, nk] = shape;
    let on_border = |run: &Run| {
        let in_slice = run.start == 0 || run.end == ni || run.j == 0 || run.j == nj - 1;
        let end_slice = run.k == 0 || run.k == nk - 1;
        u64::from(in_slice || (end_slice && connectivity != Connectivity::SliceFaces))
    };
    let contacts = background.sum(on_border);
    let mut filled = 0;
    for (run, &root) in background.runs.iter().zip(&background.roots) {
        if contacts[root] == 0 {
            mask[run.voxels(shape)].fill(1);
            filled += (run.end - run.start) as u64;
        }
    }
    Ok(filled)
}
