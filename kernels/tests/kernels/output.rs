//! Output planes and their comparison.

use std::ops::Range;

use endocast_kernels::contract::{Exactness, LANES, PlaneMut, PlaneShape, Quantisation, Store};
use endocast_kernels::reference::Value;

use super::guarded::{Guarded, Placement};

/// No kernel returns this NaN: where it remains, nothing was written.
const CANARY: u32 = 0x7fc0_d1ed;
const CANARY_BYTE: u8 = 0xa5;

/// An output plane.
pub enum Out {
    F32(Guarded<f32>),
    U8(Guarded<u8>, Quantisation),
}

impl Out {
    /// A blocked plane of canaries.
    pub fn new(
        shape: PlaneShape,
        blocks: usize,
        placement: Placement,
        quantisation: Option<Quantisation>,
    ) -> Out {
        let len = shape.blocked_len(blocks);
        match quantisation {
            None => Out::F32(Guarded::new(&vec![f32::from_bits(CANARY); len], placement)),
            Some(q) => Out::U8(Guarded::new(&vec![CANARY_BYTE; len], placement), q),
        }
    }

    pub fn store(&mut self, halo: usize) -> Store<'_> {
        match self {
            Out::F32(data) => Store::F32(PlaneMut { data, halo }),
            Out::U8(data, quantisation) => Store::U8(PlaneMut { data, halo }, *quantisation),
        }
    }

    /// The plane of a store of `f32`.
    pub fn values(self) -> Guarded<f32> {
        match self {
            Out::F32(plane) => plane,
            Out::U8(..) => panic!("values were quantised"),
        }
    }

    /// Demands `values`, as they are or quantised.
    pub fn equal(&self, values: &[f32], than: &str) -> Result<(), String> {
        match self {
            Out::F32(found) => equal(found, values, than),
            Out::U8(found, quantisation) => {
                let mut pairs = found.iter().zip(values).enumerate();
                let expected = |value: f32| match value.to_bits() {
                    CANARY => CANARY_BYTE,
                    _ => quantisation.apply(value),
                };
                match pairs.find(|&(_, (&byte, &value))| byte != expected(value)) {
                    None => Ok(()),
                    Some((index, (byte, value))) => Err(format!(
                        "element {index}: {byte} is not the quantised {value:e} of {than}"
                    )),
                }
            }
        }
    }
}

/// Quantisations to store with.
pub fn quantisations() -> [Quantisation; 3] {
    [(100.0, 3), (1.0, 128), (1e-7, 255)].map(|(inverse_scale, zero)| Quantisation {
        inverse_scale,
        zero,
    })
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

/// Demands equal bits, except that a NaN is as good as another unless it stands for nothing written.
pub fn equal(found: &[f32], expected: &[f32], than: &str) -> Result<(), String> {
    let bits = |value: f32| match value.to_bits() {
        CANARY => CANARY,
        _ if value.is_nan() => f32::NAN.to_bits(),
        bits => bits,
    };
    let mut pairs = found.iter().zip(expected).enumerate();
    match pairs.find(|&(_, (&found, &expected))| bits(found) != bits(expected)) {
        None => Ok(()),
        Some((index, (found, expected))) => Err(format!(
            "element {index}: {found:e} is not the {expected:e} of {than}"
        )),
    }
}

/// A plane of `blocks` blocks with `values` in the interior of the blocks `written`, and canaries
/// elsewhere.
pub fn written(
    shape: PlaneShape,
    blocks: usize,
    written: Range<usize>,
    values: &[f32],
) -> Vec<f32> {
    let mut plane = vec![f32::from_bits(CANARY); shape.blocked_len(blocks)];
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
