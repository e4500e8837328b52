//! Writing images on the grid of a scan.

use std::io::{self, Write};
use std::path::Path;

use ndarray::Array3;

use super::Scan;
use super::error::Error;
use super::header::{EXTENSION_FLAG, Header};
use super::naming::{Naming, Part};
use super::voxels::{Datatype, Voxel, swap_bytes, with_voxels};
use crate::output::{Pending, publish};

/// Voxels that are converted and written at a time.
const PIECE: usize = 1 << 15;

/// Checks that a name is one the `write_` methods of [`Scan`] accept: it ends in `.nii`, `.hdr` or
/// `.img`, or one of these and `.gz`.
///
/// # Errors
///
/// [`Error::UnknownSuffix`].
pub fn check_output_name(path: impl AsRef<Path>) -> Result<(), Error> {
    naming(path.as_ref()).map(|_| ())
}

fn naming(path: &Path) -> Result<Naming, Error> {
    Naming::of(path).ok_or_else(|| Error::UnknownSuffix { path: path.into() })
}

/// # Output
///
/// The name's suffix picks the form: `.nii` is one file, `.hdr` or `.img` is a pair, `.gz` behind
/// them compresses. Files appear under their name only when they are complete and on the disk;
/// after an error there is nothing new. The files depend on the voxels and the scan's header
/// alone, not on time, name or machine.
///
/// The header is the scan's, byte for byte, in its version and byte order, except for:
///
/// * the form: `magic` and `vox_offset`; header extensions are not copied, since they describe the
///   voxels of the file they came from;
/// * the dimensions after the third, if there are any: `dim[0]` becomes 3, `dim[4..=7]` 1;
/// * `datatype`, `bitpix`, `scl_slope` (1) and `scl_inter` (0), where the voxels are not stored as
///   in the scan's file: masks, maps, and brains of a mean volume;
/// * `cal_min`, `cal_max`, `intent_code` (0) and `intent_name` (empty) of masks and maps, since
///   they describe other values.
impl Scan {
    /// Writes a mask of the scan's shape as `uint8`: 1 where `mask` is not 0.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSuffix`], [`Error::ShapeMismatch`], [`Error::Write`].
    pub fn write_mask(&self, path: impl AsRef<Path>, mask: &Array3<u8>) -> Result<(), Error> {
        let path = path.as_ref();
        self.check_shape(path, mask)?;
        let voxels = mask.t().into_iter().map(|&inside| u8::from(inside != 0));
        self.write(path, self.derived_header(Datatype::U8), voxels)
    }

    /// Writes a map of the scan's shape, such as probabilities or distances, as `float32`.
    ///
    /// # Errors
    ///
    /// As [`Scan::write_mask`].
    pub fn write_f32(&self, path: impl AsRef<Path>, map: &Array3<f32>) -> Result<(), Error> {
        let path = path.as_ref();
        self.check_shape(path, map)?;
        self.write(
            path,
            self.derived_header(Datatype::F32),
            map.t().into_iter().copied(),
        )
    }

    /// Writes the scan with everything outside the mask removed: where `mask` is 0, voxels get the
    /// stored value whose real value (after `scl_slope` and `scl_inter`) is nearest to zero. The
    /// other voxels are stored bit by bit as in the scan, in its type and with its scaling; the
    /// mean of several volumes is stored as unscaled `float32`.
    ///
    /// # Errors
    ///
    /// As [`Scan::write_mask`].
    pub fn write_brain(&self, path: impl AsRef<Path>, mask: &Array3<u8>) -> Result<(), Error> {
        let path = path.as_ref();
        self.check_shape(path, mask)?;
        let mut header = self.header.clone();
        if self.mean {
            header.set_unscaled(self.voxels.datatype());
        }
        with_voxels!(&self.voxels, |data| {
            let zero = self.scaling.stored_zero();
            let inside = mask.t();
            let voxels = data.iter().zip(&inside).map(
                |(&voxel, &inside)| {
                    if inside != 0 { voxel } else { zero }
                },
            );
            self.write(path, header, voxels)
        })
    }

    /// The header for voxels that are computed from the scan.
    fn derived_header(&self, datatype: Datatype) -> Header {
        let mut header = self.header.clone();
        header.set_unscaled(datatype);
        header.clear_meaning();
        header
    }

    fn check_shape<T>(&self, path: &Path, array: &Array3<T>) -> Result<(), Error> {
        let expected = self.geometry.shape;
        let (x, y, z) = array.dim();
        let found = [x, y, z];
        if found != expected {
            return Err(Error::ShapeMismatch {
                path: path.into(),
                expected,
                found,
            });
        }
        Ok(())
    }

    /// Writes voxels, first axis fastest.
    fn write<T: Voxel>(
        &self,
        path: &Path,
        mut header: Header,
        voxels: impl Iterator<Item = T>,
    ) -> Result<(), Error> {
        let naming = naming(path)?;
        header.set_single_volume();
        header.set_storage(naming.part == Part::Whole);
        write_files(path, &naming, &header, voxels).map_err(|source| Error::Write {
            path: path.into(),
            source,
        })
    }
}

fn write_files<T: Voxel>(
    path: &Path,
    naming: &Naming,
    header: &Header,
    voxels: impl Iterator<Item = T>,
) -> io::Result<()> {
    let swapped = header.is_big_endian() != cfg!(target_endian = "big");
    if naming.part == Part::Whole {
        let whole = Pending::write(path, naming.gzip, |file| {
            file.write_all(header.bytes())?;
            file.write_all(&EXTENSION_FLAG)?;
            write_voxels(file, voxels, swapped)
        })?;
        return publish([whole]);
    }
    let image = Pending::write(
        &naming.sibling(Part::Image, naming.gzip),
        naming.gzip,
        |file| write_voxels(file, voxels, swapped),
    )?;
    let header = Pending::write(
        &naming.sibling(Part::Header, naming.gzip),
        naming.gzip,
        |file| file.write_all(header.bytes()),
    )?;
    publish([image, header])
}

fn write_voxels<T: Voxel>(
    file: &mut dyn Write,
    mut voxels: impl Iterator<Item = T>,
    swapped: bool,
) -> io::Result<()> {
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        piece.extend(voxels.by_ref().take(PIECE));
        if piece.is_empty() {
            return Ok(());
        }
        if swapped {
            swap_bytes(&mut piece);
        }
        file.write_all(bytemuck::cast_slice(&piece))?;
    }
}
