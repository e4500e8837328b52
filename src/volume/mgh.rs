//! FreeSurfer's MGH files, and MGZ, which are the same compressed with gzip.
//!
//! All numbers are stored most significant byte first. What follows the voxels is ignored.

use std::io::{Read, Seek};
use std::path::Path;

use super::error::Error;
use super::geometry::Geometry;
use super::header::{Grid, Header};
use super::input::Input;
use super::voxels::Datatype;

/// The first four bytes: version 1, the only one.
pub(super) const MAGIC: [u8; 4] = [0, 0, 0, 1];

/// Where the voxels begin.
const VOXELS: usize = 284;

/// Bytes of the header that mean something.
const HEADER: usize = 90;

/// Where the axes point if the file does not say: left, inferior, anterior.
const CORONAL: [[f64; 3]; 3] = [[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]];

/// The header of an MGH file as NIfTI headers of the same grid.
pub(super) struct Mgh {
    /// Describes the file: its byte order and where its voxels are.
    pub stored: Header,
    /// For files written from it, least significant byte first.
    pub native: Header,
    pub geometry: Geometry,
}

impl Mgh {
    /// Reads the header that follows [`MAGIC`].
    pub fn read<R: Read + Seek>(input: &mut Input<R>, path: &Path) -> Result<Mgh, Error> {
        let mut bytes = [0; HEADER];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        input.read_exact(&mut bytes[MAGIC.len()..], VOXELS as u64)?;
        let integer = |index: usize| i32::from_be_bytes(word(&bytes, 4 * index));
        let float = |index: usize| f64::from(f32::from_be_bytes(word(&bytes, 30 + 4 * index)));

        let extent = |index: usize| {
            let value = integer(index);
            usize::try_from(value)
                .ok()
                .filter(|&extent| extent > 0)
                .ok_or_else(|| Error::BadDim {
                    path: path.into(),
                    index,
                    value: value.into(),
                })
        };
        let shape = [extent(1)?, extent(2)?, extent(3)?];
        let volumes = extent(4)?;
        if shape.contains(&1) {
            return Err(Error::NotThreeD {
                path: path.into(),
                shape,
            });
        }
        let datatype = match integer(5) {
            0 => Datatype::U8,
            1 => Datatype::I32,
            3 => Datatype::F32,
            4 => Datatype::I16,
            10 => Datatype::U16,
            code => {
                return Err(Error::Datatype {
                    path: path.into(),
                    code: code.into(),
                    name: "unknown in MGH files",
                });
            }
        };
        let placed = i16::from_be_bytes([bytes[28], bytes[29]]) == 1;
        let triple = |first: usize| [first, first + 1, first + 2].map(float);
        let (spacing, axes, centre) = if placed {
            (triple(0), [triple(3), triple(6), triple(9)], triple(12))
        } else {
            ([1.0; 3], CORONAL, [0.0; 3])
        };
        let affine = std::array::from_fn(|row| {
            let step: [f64; 3] = std::array::from_fn(|axis| axes[axis][row] * spacing[axis]);
            let half = |axis: usize| shape[axis] as f64 / 2.0;
            let offset = centre[row] - (0..3).map(|axis| step[axis] * half(axis)).sum::<f64>();
            [step[0], step[1], step[2], offset]
        });
        let geometry = Geometry::new(shape, affine).ok_or_else(|| Error::BadAffine {
            path: path.into(),
            name: "MGH header",
        })?;
        let grid = Grid {
            shape,
            volumes,
            spacing: geometry.spacing,
            affine,
        };
        let mut stored = Header::new(&grid, datatype, true);
        stored.set_voxel_offset(VOXELS as u64);
        Ok(Mgh {
            stored,
            native: Header::new(&grid, datatype, false),
            geometry,
        })
    }
}

fn word(bytes: &[u8], offset: usize) -> [u8; 4] {
    std::array::from_fn(|index| bytes[offset + index])
}
