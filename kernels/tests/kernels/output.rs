//! Output planes and their comparison.

use std::ops::Range;

use endocast_kernels::contract::{Exactness, LANES, PlaneShape};
use endocast_kernels::reference::Value;

use super::guarded::{Guarded, Placement};

/// No kernel returns this NaN: where it remains, nothing was written.
const CANARY: u32 = 0x7fc0_d1ed;

/// A blocked plane of canaries.
pub fn blank(shape: PlaneShape, blocks: usize, placement: Placement) -> Guarded<f32> {
    let canaries = vec![f32::from_bits(CANARY); shape.blocked_len(blocks)];
    Guarded::new(&canaries, placement)
}

/// How far results may be from the reference.
#[derive(Clone, Copy)]
pub struct Tolerance {
    /// How the kernel rounds.
    pub exactness: Exactness,
    /// Roundings behind each result.
    pub roundings: usize,
    /// Allowed on top of them.
    pub absolute: f64,
}

/// Compares the interior of `blocks` with the reference; all the rest of `plane` must be untouched.
pub fn compare(
    plane: &[f32],
    shape: PlaneShape,
    blocks: Range<usize>,
    expected: &[Value],
    tolerance: Tolerance,
) -> Result<(), String> {
    let mut expected = expected.iter();
    for (index, found) in plane.iter().enumerate() {
        let (voxel, lane) = (index / LANES, index % LANES);
        let (block, voxel) = (voxel / shape.area(), voxel % shape.area());
        let (row, column) = (voxel / shape.pitch(), voxel % shape.pitch());
        let inside = |at: usize, extent: usize| (shape.halo..shape.halo + extent).contains(&at);
        let place = || {
            let [row, column] = [row, column].map(|at| at as isize - shape.halo as isize);
            format!("block {block} row {row} column {column} channel {lane}")
        };
        if blocks.contains(&block) && inside(row, shape.height) && inside(column, shape.width) {
            let Value { value, magnitude } = expected.next().expect("one value per result");
            let error = (f64::from(*found) - value).abs();
            let exactness = tolerance.exactness;
            let bound = exactness.bound(tolerance.roundings, *magnitude) + tolerance.absolute;
            if error.is_nan() || error > bound {
                return Err(format!(
                    "{}: {found:e} instead of {value:e}, off by {error:e}, bound {bound:e}",
                    place()
                ));
            }
        } else if found.to_bits() != CANARY {
            return Err(format!("{}: written, {found:e}", place()));
        }
    }
    assert!(expected.next().is_none(), "one result per value");
    Ok(())
}

/// Demands equal bits.
pub fn equal(found: &[f32], expected: &[f32], than: &str) -> Result<(), String> {
    let mut pairs = found.iter().zip(expected).enumerate();
    match pairs.find(|(_, (found, expected))| found.to_bits() != expected.to_bits()) {
        None => Ok(()),
        Some((index, (found, expected))) => Err(format!(
            "element {index}: {found:e} is not the {expected:e} of {than}"
        )),
    }
}

/// What a plane of `blocks` blocks holds after `values` were written to the blocks `written`: `canary`
/// everywhere else.
pub fn written<T: Copy>(
    canary: T,
    shape: PlaneShape,
    blocks: usize,
    written: Range<usize>,
    values: &[T],
) -> Vec<T> {
    let mut plane = vec![canary; shape.blocked_len(blocks)];
    let mut rows = values.chunks_exact(shape.width * LANES);
    for block in written {
        for row in 0..shape.height {
            let first = (block * shape.area() + shape.voxel(row, 0)) * LANES;
            let values = rows.next().expect("one value per result");
            plane[first..][..values.len()].copy_from_slice(values);
        }
    }
    plane
}
