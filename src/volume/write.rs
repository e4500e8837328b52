//! Writing images on the grid of a scan.

use std::io::{self, Write};
use std::path::Path;

use ndarray::Array3;

use super::Scan;
use super::error::Error;
use super::header::{EXTENSION_FLAG, Header};
use super::naming::{Naming, Part};
use super::voxels::{Datatype, Scaling, Voxel, swap_bytes, with_voxels};
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

/// Where an image goes.
pub enum Target<'a> {
    /// A file or a pair of files, as the name says.
    File(&'a Path),
    /// A single uncompressed file's content, into a stream; the path is its name in errors.
    Stream(&'a mut dyn Write, &'a Path),
}

impl<'a> Target<'a> {
    pub(super) fn path(&self) -> &'a Path {
        match self {
            Target::File(path) | Target::Stream(_, path) => path,
        }
    }
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
        self.send_mask(Target::File(path.as_ref()), mask)
    }

    /// [`Scan::write_mask`] to any target.
    ///
    /// # Errors
    ///
    /// As [`Scan::write_mask`].
    pub fn send_mask(&self, target: Target, mask: &Array3<u8>) -> Result<(), Error> {
        self.check_shape(target.path(), mask)?;
        let voxels = mask.t().into_iter().map(|&inside| u8::from(inside != 0));
        write(target, self.derived_header(Datatype::U8), voxels)
    }

    /// Writes a map of the scan's shape, such as probabilities or distances, as `float32`.
    ///
    /// # Errors
    ///
    /// As [`Scan::write_mask`].
    pub fn write_f32(&self, path: impl AsRef<Path>, map: &Array3<f32>) -> Result<(), Error> {
        self.send_f32(Target::File(path.as_ref()), map)
    }

    /// [`Scan::write_f32`] to any target.
    ///
    /// # Errors
    ///
    /// As [`Scan::write_mask`].
    pub fn send_f32(&self, target: Target, map: &Array3<f32>) -> Result<(), Error> {
        self.check_shape(target.path(), map)?;
        let header = self.derived_header(Datatype::F32);
        write(target, header, map.t().into_iter().copied())
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
        self.send_brain(Target::File(path.as_ref()), mask, 0.0)
    }

    /// The real value of what a brain image stores for `fill`: another one where its voxels are whole
    /// numbers, or cannot be as small or large.
    pub fn nearest(&self, fill: f64) -> f64 {
        with_voxels!(&self.voxels, |data| nearest(data, self.scaling, fill))
    }

    /// [`Scan::write_brain`] to any target, with another real value than zero outside the mask: the
    /// nearest that can be stored.
    ///
    /// # Errors
    ///
    /// As [`Scan::write_mask`].
    pub fn send_brain(&self, target: Target, mask: &Array3<u8>, fill: f64) -> Result<(), Error> {
        self.check_shape(target.path(), mask)?;
        let header = self.brain_header();
        with_voxels!(&self.voxels, |data| {
            let fill = self.scaling.stored(fill);
            write(target, header, masked(data, mask, fill))
        })
    }

    /// Writes the part of the brain image, as [`Scan::write_brain`] makes it, that holds the mask
    /// and `margin_mm` around it, as far as the scan goes. Its sform and qform say where it is; if
    /// the scan has neither, it gets an sform.
    ///
    /// # Errors
    ///
    /// As [`Scan::write_mask`]; [`Error::EmptyMask`].
    pub fn send_crop(
        &self,
        target: Target,
        mask: &Array3<u8>,
        margin_mm: f64,
        fill: f64,
    ) -> Result<(), Error> {
        let path = target.path();
        self.check_shape(path, mask)?;
        let ranges = super::crop::bounds(mask, self.geometry.spacing, margin_mm);
        let ranges = ranges.ok_or_else(|| Error::EmptyMask { path: path.into() })?;
        let mut header = self.brain_header();
        header.set_single_volume();
        super::crop::move_header(&mut header, &ranges);
        let [x, y, z] = ranges;
        let shape = self.geometry.shape;
        with_voxels!(&self.voxels, |data| {
            let fill = self.scaling.stored(fill);
            let voxels = z.flat_map(|k| {
                let x = x.clone();
                y.clone().flat_map(move |j| {
                    let row = (k * shape[1] + j) * shape[0];
                    x.clone().map(move |i| {
                        if mask[[i, j, k]] != 0 {
                            data[row + i]
                        } else {
                            fill
                        }
                    })
                })
            });
            write(target, header, voxels)
        })
    }

    /// Header of the scan with some voxels replaced.
    fn brain_header(&self) -> Header {
        let mut header = self.header.clone();
        if self.mean {
            header.set_unscaled(self.voxels.datatype());
        }
        header
    }

    /// The header for voxels that are computed from the scan.
    fn derived_header(&self, datatype: Datatype) -> Header {
        let mut header = self.header.clone();
        header.set_unscaled(datatype);
        header.clear_meaning();
        header
    }

    pub(super) fn check_shape<T>(&self, path: &Path, array: &Array3<T>) -> Result<(), Error> {
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
}

fn nearest<T: Voxel>(_: &[T], scaling: Scaling, fill: f64) -> f64 {
    scaling.stored::<T>(fill).to_f64() * scaling.slope() + scaling.intercept()
}

/// Voxels of a volume, first axis fastest, with `fill` where the mask is 0.
pub(super) fn masked<T: Voxel>(data: &[T], mask: &Array3<u8>, fill: T) -> impl Iterator<Item = T> {
    let pairs = data.iter().zip(mask.t());
    pairs.map(move |(&voxel, &inside)| if inside != 0 { voxel } else { fill })
}

/// Writes voxels of one volume, first axis fastest.
fn write<T: Voxel>(
    target: Target,
    mut header: Header,
    voxels: impl Iterator<Item = T>,
) -> Result<(), Error> {
    header.set_single_volume();
    send(target, header, |file, header| {
        write_voxels(file, voxels, header.is_swapped())
    })
}

/// Writes a file or two of the form that the target asks for; `body` writes the voxels.
pub(super) fn send(
    target: Target,
    mut header: Header,
    body: impl FnOnce(&mut dyn Write, &Header) -> io::Result<()>,
) -> Result<(), Error> {
    let path = target.path();
    let sent = match target {
        Target::File(path) => {
            let naming = naming(path)?;
            header.set_storage(naming.part == Part::Whole);
            write_files(path, &naming, &header, body)
        }
        Target::Stream(stream, _) => {
            header.set_storage(true);
            write_whole(stream, &header, body).and_then(|()| stream.flush())
        }
    };
    sent.map_err(|source| Error::Write {
        path: path.into(),
        source,
    })
}

fn write_files(
    path: &Path,
    naming: &Naming,
    header: &Header,
    body: impl FnOnce(&mut dyn Write, &Header) -> io::Result<()>,
) -> io::Result<()> {
    let gzip = naming.gzip;
    if naming.part == Part::Whole {
        let whole = Pending::write(path, gzip, |file| write_whole(file, header, body))?;
        return publish([whole]);
    }
    let image = naming.sibling(Part::Image, gzip);
    let image = Pending::write(&image, gzip, |file| body(file, header))?;
    let half = naming.sibling(Part::Header, gzip);
    let half = Pending::write(&half, gzip, |file| file.write_all(header.bytes()))?;
    publish([image, half])
}

fn write_whole(
    file: &mut dyn Write,
    header: &Header,
    body: impl FnOnce(&mut dyn Write, &Header) -> io::Result<()>,
) -> io::Result<()> {
    file.write_all(header.bytes())?;
    file.write_all(&EXTENSION_FLAG)?;
    body(file, header)
}

pub(super) fn write_voxels<T: Voxel>(
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
