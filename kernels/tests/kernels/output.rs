//! Output planes and their comparison.

use std::ops::Range;

use endocast_kernels::contract::{Exactness, LANES, PlaneMut, PlaneShape, Quantisation, Store};
use endocast_kernels::reference::Value;

use super::guarded::{Guarded, Placement};

/// No kernel returns this NaN: where it remains, nothing was written.
const CANARY: u32 = 0x7fc0_d1ed;
const CANARY_BYTE: u8 = 0xa5;

/// How an output plane is to be stored.
#[derive(Clone, Copy)]
pub enum Form {
    F32,
    U8(Quantisation),
    /// So many channels.
    Planar(usize),
}

/// An output plane.
pub enum Out {
    F32(Guarded<f32>),
    U8(Guarded<u8>, Quantisation),
    Planar {
        plane: Guarded<f32>,
        channels: usize,
        area: usize,
    },
}

impl Out {
    /// A plane of canaries.
    pub fn new(shape: PlaneShape, blocks: usize, placement: Placement, form: Form) -> Out {
        let singles = |len| Guarded::new(&vec![f32::from_bits(CANARY); len], placement);
        let len = shape.blocked_len(blocks);
        match form {
            Form::F32 => Out::F32(singles(len)),
            Form::U8(q) => Out::U8(Guarded::new(&vec![CANARY_BYTE; len], placement), q),
            Form::Planar(channels) => Out::Planar {
                plane: singles(channels * shape.area()),
                channels,
                area: shape.area(),
            },
        }
    }

    pub fn store(&mut self, halo: usize) -> Store<'_> {
        match self {
            Out::F32(data) => Store::F32(PlaneMut { data, halo }),
            Out::U8(data, quantisation) => Store::U8(PlaneMut { data, halo }, *quantisation),
            Out::Planar {
                plane, channels, ..
            } => Store::Planar(PlaneMut { data: plane, halo }, *channels),
        }
    }

    /// The plane of a store of `f32`.
    pub fn values(self) -> Guarded<f32> {
        match self {
            Out::F32(plane) => plane,
            Out::U8(..) | Out::Planar { .. } => panic!("values were stored in another form"),
        }
    }

    /// Demands the blocked `values`, in the form of this plane.
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
            Out::Planar {
                plane,
                channels,
                area,
            } => {
                let value = |channel: usize, voxel: usize| {
                    let block = channel / LANES * area;
                    values[(block + voxel) * LANES + channel % LANES]
                };
                let expected: Vec<f32> = (0..*channels)
                    .flat_map(|channel| (0..*area).map(move |voxel| value(channel, voxel)))
                    .collect();
                equal(plane, &expected, than)
            }
        }
    }
}

/// Quantised forms.
pub fn quantised() -> [Form; 3] {
    [(100.0, 3), (1.0, 128), (1e-7, 255)].map(|(inverse_scale, zero)| {
        Form::U8(Quantisation {
            inverse_scale,
            zero,
        })
    })
}

/// Planar forms of `blocks` blocks: a single channel, and a last block that is not full.
pub fn planar(blocks: usize) -> [Form; 2] {
    [1, blocks * LANES - 13].map(Form::Planar)
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
