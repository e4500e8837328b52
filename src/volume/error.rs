//! What can be wrong with a file, one variant per cause.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a scan could not be read or an image could not be written.
///
/// Every message is one line that begins with the name of the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened.
    Open {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The path names a folder, a device or a pipe.
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The operating system failed while the file was being read.
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The compressed stream is damaged.
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decompressor found.
        source: io::Error,
    },
    /// The file ends before the header or the voxels do.
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes (after decompression) from the start of the file to the last one needed.
        needed: u64,
        /// Bytes (after decompression) the file has.
        found: u64,
    },
    /// The header of a compressed file claims more than gzip can pack into the file's size.
    ClaimTooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes (after decompression) from the start of the file to the last one claimed.
        claimed: u64,
        /// Length of the compressed file in bytes.
        length: u64,
    },
    /// Neither a NIfTI-1 nor a NIfTI-2 nor an MGH header.
    NotNifti {
        /// The file.
        path: PathBuf,
    },
    /// An ANALYZE 7.5 header, which does not say where left and right are.
    Analyze {
        /// The file.
        path: PathBuf,
    },
    /// The magic bytes agree with neither the single-file nor the two-file form.
    BadMagic {
        /// The file.
        path: PathBuf,
        /// The first four magic bytes, escaped.
        magic: String,
    },
    /// The other half of a `.hdr`/`.img` pair is absent.
    MissingHalf {
        /// The half that exists.
        path: PathBuf,
        /// Suffix of the half that does not: `hdr` or `img`.
        missing: &'static str,
    },
    /// An entry of `dim` is outside its range: 1 to 7 for `dim[0]`, 1 and up for the others.
    BadDim {
        /// The file.
        path: PathBuf,
        /// Which entry.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// Fewer than three axes, or an axis with one voxel.
    NotThreeD {
        /// The file.
        path: PathBuf,
        /// Number of voxels along each axis.
        shape: [usize; 3],
    },
    /// The number of bytes the header claims does not fit into the machine's integers.
    SizeOverflow {
        /// The file.
        path: PathBuf,
    },
    /// The voxels do not fit into memory.
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes that were asked for.
        bytes: u64,
    },
    /// Colour, complex, 128-bit, 1-bit or unknown voxels.
    Datatype {
        /// The file.
        path: PathBuf,
        /// The header's `datatype`.
        code: i64,
        /// Its name in the standard, or `unknown`.
        name: &'static str,
    },
    /// `bitpix` contradicts `datatype`.
    Bitpix {
        /// The file.
        path: PathBuf,
        /// The header's `bitpix`.
        bitpix: i64,
        /// Name of the header's `datatype`.
        datatype: &'static str,
        /// Bits of that type.
        expected: i64,
    },
    /// `vox_offset` is not a whole number, or points into the header.
    VoxOffset {
        /// The file.
        path: PathBuf,
        /// The header's `vox_offset`.
        value: f64,
        /// The smallest offset this kind of file may have.
        minimum: u64,
    },
    /// A voxel size that the affine needs is zero or not finite.
    BadSpacing {
        /// The file.
        path: PathBuf,
        /// Which entry of `pixdim`, 1 to 3.
        axis: usize,
        /// Its value.
        value: f64,
    },
    /// The affine does not span a grid; see [`Geometry::new`](super::Geometry::new).
    BadAffine {
        /// The file.
        path: PathBuf,
        /// Where the affine came from: `sform`, `qform` or `pixdim`.
        name: &'static str,
    },
    /// The volume asked for does not exist.
    NoSuchVolume {
        /// The file.
        path: PathBuf,
        /// The volume asked for, from 0.
        index: usize,
        /// How many the file has.
        volumes: usize,
    },
    /// The output's name does not say which form to write.
    UnknownSuffix {
        /// The file.
        path: PathBuf,
    },
    /// The array to write is not on the scan's grid.
    ShapeMismatch {
        /// The file that was to be written.
        path: PathBuf,
        /// The scan's shape.
        expected: [usize; 3],
        /// The array's shape.
        found: [usize; 3],
    },
    /// A mask to crop to that has no voxel.
    EmptyMask {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// The output could not be written; nothing was left under its name.
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Open { path, source } => write!(f, "{}: cannot open: {source}", path.display()),
            Error::NotAFile { path } => write!(f, "{}: not a regular file", path.display()),
            Error::Read { path, source } => write!(f, "{}: cannot read: {source}", path.display()),
            Error::Gzip { path, source } => {
                write!(f, "{}: damaged gzip data: {source}", path.display())
            }
            Error::Truncated {
                path,
                needed,
                found,
            } => write!(
                f,
                "{}: truncated: {needed} bytes needed, {found} found",
                path.display()
            ),
            Error::ClaimTooLarge {
                path,
                claimed,
                length,
            } => write!(
                f,
                "{}: the header claims {claimed} bytes, more than {length} bytes of gzip can hold",
                path.display()
            ),
            Error::NotNifti { path } => write!(f, "{}: not a NIfTI file", path.display()),
            Error::Analyze { path } => write!(
                f,
                "{}: ANALYZE 7.5 file without orientation; convert it to NIfTI first",
                path.display()
            ),
            Error::BadMagic { path, magic } => {
                write!(f, "{}: bad NIfTI magic {magic:?}", path.display())
            }
            Error::MissingHalf { path, missing } => write!(
                f,
                "{}: the .{missing} file that belongs to it is missing",
                path.display()
            ),
            Error::BadDim { path, index, value } => {
                write!(f, "{}: dim[{index}] is {value}", path.display())
            }
            Error::NotThreeD { path, shape } => write!(
                f,
                "{}: {} x {} x {} voxels are not a 3-D image",
                path.display(),
                shape[0],
                shape[1],
                shape[2]
            ),
            Error::SizeOverflow { path } => write!(
                f,
                "{}: the image size in the header overflows",
                path.display()
            ),
            Error::OutOfMemory { path, bytes } => write!(
                f,
                "{}: not enough memory for {bytes} more bytes of voxels",
                path.display()
            ),
            Error::Datatype { path, code, name } => write!(
                f,
                "{}: voxels of type {name} (code {code}) are not supported",
                path.display()
            ),
            Error::Bitpix {
                path,
                bitpix,
                datatype,
                expected,
            } => write!(
                f,
                "{}: bitpix is {bitpix} but {datatype} voxels have {expected} bits",
                path.display()
            ),
            Error::VoxOffset {
                path,
                value,
                minimum,
            } => write!(
                f,
                "{}: vox_offset is {value}, but voxels start at byte {minimum} or later",
                path.display()
            ),
            Error::BadSpacing { path, axis, value } => write!(
                f,
                "{}: pixdim[{axis}] is {value}, so the voxel size is unknown",
                path.display()
            ),
            Error::BadAffine { path, name } => write!(
                f,
                "{}: the affine from the {name} has voxel axes that are zero, parallel or out of range",
                path.display()
            ),
            Error::NoSuchVolume {
                path,
                index,
                volumes,
            } => write!(
                f,
                "{}: no volume {index}; the file has {volumes}, counted from 0",
                path.display()
            ),
            Error::UnknownSuffix { path } => write!(
                f,
                "{}: output names end in .nii, .nii.gz, .hdr, .img, .hdr.gz or .img.gz",
                path.display()
            ),
            Error::ShapeMismatch {
                path,
                expected,
                found,
            } => write!(
                f,
                "{}: an array of {} x {} x {} voxels does not fit a scan of {} x {} x {}",
                path.display(),
                found[0],
                found[1],
                found[2],
                expected[0],
                expected[1],
                expected[2]
            ),
            Error::EmptyMask { path } => write!(
                f,
                "{}: the mask is empty, so there is nothing to crop to",
                path.display()
            ),
            Error::Write { path, source } => {
                write!(f, "{}: cannot write: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {}
