//! Head scans in files: reading them, and writing NIfTI images on their grid.
//!
//! [`Scan::read`] takes NIfTI-1 and NIfTI-2, as `.nii` or as a `.hdr`/`.img` pair, in either byte
//! order, and FreeSurfer's MGH; all of them plain or compressed with gzip. No file content makes it
//! panic, and memory follows the bytes that a file really has.
//!
//! What is accepted, and how:
//!
//! * Voxels of all integer and floating-point types up to 64 bits. They are kept in that type;
//!   [`Scan::to_array`] converts.
//! * `scl_slope` of zero, or `scl_slope` or `scl_inter` that is NaN or infinite: no scaling.
//! * NaN and infinite voxels: 0 in arrays and means; unchanged in [`Scan::write_brain`].
//! * Dimensions after the third are volumes of a series, of which [`FourD`] chooses.
//! * The affine is the sform, the qform or the bare voxel size; see [`Geometry`].
//! * Bytes after the last voxel of a plain file, and header extensions: ignored.
//!
//! A scan from an MGH file has the header of a NIfTI file on the same grid.
//!
//! Everything else is an [`Error`] with one line that names the file and the cause.

pub(crate) mod crop;
mod error;
mod geometry;
mod header;
mod input;
mod mgh;
mod naming;
mod read;
mod series;
mod voxels;
mod write;

use std::path::PathBuf;

use ndarray::{Array3, ShapeBuilder};

pub use error::Error;
pub use geometry::Geometry;
pub use header::{Header, Version};
pub use naming::{files, stem};
pub use voxels::{Datatype, Scaling, Voxels};
pub use write::{Target, check_output_name};

pub(crate) use voxels::{Voxel, with_voxels};

/// Which volume of a series to take. Dimensions after the third count as one series, the fourth
/// varying fastest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FourD {
    /// The first; [`Scan::volumes`] tells how many there are.
    #[default]
    First,
    /// This one, counted from 0.
    Volume(usize),
    /// The mean of all, computed in `f64` from real values and kept as unscaled `f32`. For a file
    /// with one volume the same as `First`.
    Mean,
}

/// One 3-D volume with the header it came with.
#[derive(Clone, Debug)]
pub struct Scan {
    header: Header,
    geometry: Geometry,
    voxels: Voxels,
    scaling: Scaling,
    mean: bool,
}

impl Scan {
    /// A scan that is in memory: voxels with the first axis fastest, and the map from voxel indices to
    /// RAS millimetres. Its header is that of a NIfTI file with this sform.
    ///
    /// # Errors
    /// Voxels that do not fill the shape, an axis with fewer than two, an affine that spans no grid.
    pub fn new(
        shape: [usize; 3],
        affine: [[f64; 4]; 3],
        voxels: impl Into<Voxels>,
        scaling: Scaling,
    ) -> Result<Scan, Error> {
        let path = || PathBuf::from("scan in memory");
        let voxels = voxels.into();
        if shape.iter().any(|&extent| extent < 2) {
            return Err(Error::NotThreeD {
                path: path(),
                shape,
            });
        }
        let [x, y, z] = shape;
        let count = x.checked_mul(y).and_then(|area| area.checked_mul(z));
        let size = voxels.datatype().size();
        let needed = count.and_then(|count| count.checked_mul(size));
        let needed = needed.ok_or_else(|| Error::SizeOverflow { path: path() })?;
        if Some(voxels.len()) != count {
            return Err(Error::Truncated {
                path: path(),
                needed: needed as u64,
                found: (voxels.len() * size) as u64,
            });
        }
        let geometry = Geometry::new(shape, affine).ok_or_else(|| Error::BadAffine {
            path: path(),
            name: "caller",
        })?;
        let grid = header::Grid {
            shape,
            volumes: 1,
            spacing: geometry.spacing,
            affine,
        };
        let mut header = Header::new(&grid, voxels.datatype(), cfg!(target_endian = "big"));
        header.set_scaling(scaling);
        Ok(Scan {
            header,
            geometry,
            voxels,
            scaling,
            mean: false,
        })
    }

    /// The header of the file the scan was read from.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Shape, position and orientation of the grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The voxels as stored, first axis fastest.
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// From the values in [`Scan::voxels`] to real values.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// Number of volumes in the file, of which this scan is one (or the mean).
    pub fn volumes(&self) -> usize {
        self.header.volumes()
    }

    /// Real values in the scan's shape, stored with the first axis fastest, and the number of
    /// voxels that were NaN, infinite or beyond the range of `f32` and became 0.
    pub fn to_array(&self) -> (Array3<f32>, usize) {
        self.convert(|value| value as f32, f32::is_finite)
    }

    /// [`Scan::to_array`] in `f64`.
    pub fn to_array_f64(&self) -> (Array3<f64>, usize) {
        self.convert(|value| value, f64::is_finite)
    }

    fn convert<A: Copy + Default>(
        &self,
        cast: impl Fn(f64) -> A,
        is_finite: impl Fn(A) -> bool,
    ) -> (Array3<A>, usize) {
        let mut replaced = 0;
        let mut real = |stored: f64| {
            let value = cast(self.scaling.apply(stored));
            let kept = is_finite(value);
            replaced += usize::from(!kept);
            if kept { value } else { A::default() }
        };
        let values: Vec<A> = with_voxels!(&self.voxels, |data| {
            data.iter().map(|voxel| real(voxel.to_f64())).collect()
        });
        let array = Array3::from_shape_vec(self.geometry.shape.f(), values)
            .expect("a scan holds as many voxels as its shape says");
        (array, replaced)
    }
}
