//! The NIfTI header: its bytes, its fields and the checks every file must pass.

use std::path::Path;

use super::error::Error;
use super::voxels::{Datatype, Scaling};

/// NIfTI-1 (348-byte header) or NIfTI-2 (540-byte header).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// NIfTI-1.
    One,
    /// NIfTI-2.
    Two,
}

impl Version {
    /// Length of the header in bytes, without the extension flag.
    pub(super) fn header_len(self) -> usize {
        match self {
            Version::One => 348,
            Version::Two => 540,
        }
    }

    /// Where the voxels of a single file without extensions begin.
    pub(super) fn single_file_offset(self) -> usize {
        self.header_len() + EXTENSION_FLAG.len()
    }
}

/// The four bytes after the header of a single file that say "no extensions".
pub(super) const EXTENSION_FLAG: [u8; 4] = [0; 4];

/// How a field is encoded.
#[derive(Clone, Copy)]
enum Kind {
    U8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Kind::U8 => 1,
            Kind::I16 => 2,
            Kind::I32 | Kind::F32 => 4,
            Kind::I64 | Kind::F64 => 8,
        }
    }
}

/// A numeric field: byte offset and encoding in NIfTI-1 and in NIfTI-2.
#[derive(Clone, Copy)]
struct Field {
    one: (usize, Kind),
    two: (usize, Kind),
}

const fn field(one: usize, one_kind: Kind, two: usize, two_kind: Kind) -> Field {
    Field {
        one: (one, one_kind),
        two: (two, two_kind),
    }
}

impl Field {
    /// Element `index` of an array field.
    fn at(self, index: usize) -> Field {
        let step = |(offset, kind): (usize, Kind)| (offset + index * kind.size(), kind);
        Field {
            one: step(self.one),
            two: step(self.two),
        }
    }
}

const DIM: Field = field(40, Kind::I16, 16, Kind::I64);
const INTENT_CODE: Field = field(68, Kind::I16, 504, Kind::I32);
const DATATYPE: Field = field(70, Kind::I16, 12, Kind::I16);
const BITPIX: Field = field(72, Kind::I16, 14, Kind::I16);
const PIXDIM: Field = field(76, Kind::F32, 104, Kind::F64);
const VOX_OFFSET: Field = field(108, Kind::F32, 168, Kind::I64);
const SCL_SLOPE: Field = field(112, Kind::F32, 176, Kind::F64);
const SCL_INTER: Field = field(116, Kind::F32, 184, Kind::F64);
const XYZT_UNITS: Field = field(123, Kind::U8, 500, Kind::I32);
const CAL_MAX: Field = field(124, Kind::F32, 192, Kind::F64);
const CAL_MIN: Field = field(128, Kind::F32, 200, Kind::F64);
const QFORM_CODE: Field = field(252, Kind::I16, 344, Kind::I32);
const SFORM_CODE: Field = field(254, Kind::I16, 348, Kind::I32);
const QUATERN: Field = field(256, Kind::F32, 352, Kind::F64);
const QOFFSET: Field = field(268, Kind::F32, 376, Kind::F64);
const SROW: Field = field(280, Kind::F32, 400, Kind::F64);

const INTENT_NAME_LEN: usize = 16;

/// The form code of a scanner's coordinates.
const SCANNER: i16 = 1;

/// The form code of coordinates that are aligned with another image, or of unknown origin.
const ALIGNED: i16 = 2;

/// A checked header. Its bytes are kept exactly as they were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    bytes: Vec<u8>,
    version: Version,
    big_endian: bool,
    single_file: bool,
    shape: [usize; 3],
    volumes: usize,
    datatype: Datatype,
    voxel_offset: u64,
}

/// A grid to make a header for.
pub(super) struct Grid {
    pub shape: [usize; 3],
    pub volumes: usize,
    /// In mm.
    pub spacing: [f64; 3],
    /// From voxel indices to RAS mm in the scanner.
    pub affine: [[f64; 4]; 3],
}

impl Header {
    /// The header of a single file that never was one: NIfTI-1 where its dimensions allow it.
    pub(super) fn new(grid: &Grid, datatype: Datatype, big_endian: bool) -> Header {
        let mut dimensions = grid.shape.to_vec();
        dimensions.push(grid.volumes);
        let short = dimensions.iter().all(|&extent| extent <= i16::MAX as usize);
        let version = if short { Version::One } else { Version::Two };
        let mut bytes = vec![0; version.header_len()];
        let length = version.header_len() as u32;
        bytes[..4].copy_from_slice(&if big_endian {
            length.to_be_bytes()
        } else {
            length.to_le_bytes()
        });
        if version == Version::Two {
            bytes[8..12].copy_from_slice(b"\r\n\x1a\n");
        }
        let mut header = Header {
            bytes,
            version,
            big_endian,
            single_file: true,
            shape: grid.shape,
            volumes: grid.volumes,
            datatype,
            voxel_offset: 0,
        };
        header.set_storage(true);
        header.set_unscaled(datatype);
        header.set(DIM, if grid.volumes > 1 { 4.0 } else { 3.0 });
        for index in 0..7 {
            let extent = dimensions.get(index).copied().unwrap_or(1);
            header.set(DIM.at(index + 1), extent as f64);
        }
        header.set(PIXDIM, 1.0);
        for (index, size) in grid.spacing.into_iter().enumerate() {
            header.set(PIXDIM.at(index + 1), size);
        }
        header.set(XYZT_UNITS, 2.0);
        header.set(SFORM_CODE, f64::from(SCANNER));
        for (index, value) in grid.affine.into_iter().flatten().enumerate() {
            header.set(SROW.at(index), value);
        }
        header
    }

    /// Says that the voxels begin elsewhere than in a NIfTI file.
    pub(super) fn set_voxel_offset(&mut self, offset: u64) {
        self.voxel_offset = offset;
    }

    /// Version and byte order from the header's first four bytes, its own length.
    pub(super) fn recognise(length: [u8; 4]) -> Option<(Version, bool)> {
        [Version::One, Version::Two]
            .into_iter()
            .find_map(|version| {
                let expected = version.header_len() as u32;
                if length == expected.to_le_bytes() {
                    Some((version, false))
                } else if length == expected.to_be_bytes() {
                    Some((version, true))
                } else {
                    None
                }
            })
    }

    /// Checks the [`Version::header_len`] bytes of a header.
    pub(super) fn parse(
        bytes: Vec<u8>,
        version: Version,
        big_endian: bool,
        path: &Path,
    ) -> Result<Header, Error> {
        let mut header = Header {
            bytes,
            version,
            big_endian,
            single_file: true,
            shape: [0; 3],
            volumes: 0,
            datatype: Datatype::U8,
            voxel_offset: 0,
        };
        header.single_file = header.check_magic(path)?;
        (header.shape, header.volumes) = header.check_dim(path)?;
        header.datatype = header.check_datatype(path)?;
        header.voxel_offset = header.check_voxel_offset(path)?;
        Ok(header)
    }

    /// The header as it stands in the file: 348 or 540 bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// NIfTI-1 or NIfTI-2.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether header and voxels are stored most significant byte first.
    pub fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// Whether the byte order is not this machine's.
    pub(super) fn is_swapped(&self) -> bool {
        self.big_endian != cfg!(target_endian = "big")
    }

    /// Whether header and voxels share one file (`.nii`), as opposed to a `.hdr`/`.img` pair.
    pub fn is_single_file(&self) -> bool {
        self.single_file
    }

    /// Number of voxels along the three spatial axes.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of 3-D volumes: the product of the dimensions after the third.
    pub fn volumes(&self) -> usize {
        self.volumes
    }

    /// The voxel type in the file.
    pub fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// From stored to real values.
    pub fn scaling(&self) -> Scaling {
        Scaling::new(self.get(SCL_SLOPE), self.get(SCL_INTER))
    }

    /// Position of the first voxel in its file, in bytes.
    pub(super) fn voxel_offset(&self) -> u64 {
        self.voxel_offset
    }

    /// `pixdim[index]`; entry 0 is the sign of the third axis in the qform.
    pub(super) fn pixdim(&self, index: usize) -> f64 {
        self.get(PIXDIM.at(index))
    }

    /// Meaning of the qform's coordinates; 0 if there is no qform.
    pub fn qform_code(&self) -> i32 {
        self.get(QFORM_CODE) as i32
    }

    /// Meaning of the sform's coordinates; 0 if there is no sform.
    pub fn sform_code(&self) -> i32 {
        self.get(SFORM_CODE) as i32
    }

    /// The qform in the file's unit of length.
    pub(super) fn qform(&self) -> [[f64; 4]; 3] {
        let rotation = rotation(std::array::from_fn(|i| self.get(QUATERN.at(i))));
        let flip = if self.pixdim(0) < 0.0 { -1.0 } else { 1.0 };
        let [x, y, z] = [1, 2, 3].map(|axis| self.pixdim(axis).abs());
        std::array::from_fn(|row| {
            let [a, b, c] = rotation[row];
            [a * x, b * y, c * z * flip, self.get(QOFFSET.at(row))]
        })
    }

    /// The sform in the file's unit of length.
    pub(super) fn sform(&self) -> [[f64; 4]; 3] {
        std::array::from_fn(|row| std::array::from_fn(|col| self.get(SROW.at(4 * row + col))))
    }

    /// Millimetres per unit of length; 1 if the header does not name a unit.
    pub(super) fn millimetres_per_unit(&self) -> f64 {
        match self.get(XYZT_UNITS) as i64 & 7 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        }
    }

    fn check_magic(&self, path: &Path) -> Result<bool, Error> {
        let (offset, single, pair, tail): (usize, &[u8], &[u8], &[u8]) = match self.version {
            Version::One => (344, b"n+1\0", b"ni1\0", b""),
            Version::Two => (4, b"n+2\0", b"ni2\0", b"\r\n\x1a\n"),
        };
        let (magic, after) = self.bytes[offset..offset + 4 + tail.len()].split_at(4);
        let tail_ok = after == tail || after.iter().all(|&byte| byte == 0);
        if tail_ok && (magic == single || magic == pair) {
            return Ok(magic == single);
        }
        if self.version == Version::One && magic == [0; 4] {
            return Err(Error::Analyze { path: path.into() });
        }
        Err(Error::BadMagic {
            path: path.into(),
            magic: magic.escape_ascii().to_string(),
        })
    }

    fn check_dim(&self, path: &Path) -> Result<([usize; 3], usize), Error> {
        let dim = |index: usize| {
            let value = self.get(DIM.at(index));
            let in_range = value >= 1.0 && (index > 0 || value <= 7.0);
            if !in_range {
                return Err(Error::BadDim {
                    path: path.into(),
                    index,
                    value,
                });
            }
            Ok(value as usize)
        };
        let axes = dim(0)?;
        let mut shape = [1; 3];
        for (index, extent) in shape.iter_mut().enumerate().take(axes) {
            *extent = dim(index + 1)?;
        }
        let mut volumes: usize = 1;
        for index in 4..=axes {
            volumes = volumes
                .checked_mul(dim(index)?)
                .ok_or_else(|| Error::SizeOverflow { path: path.into() })?;
        }
        if shape.contains(&1) {
            return Err(Error::NotThreeD {
                path: path.into(),
                shape,
            });
        }
        Ok((shape, volumes))
    }

    fn check_datatype(&self, path: &Path) -> Result<Datatype, Error> {
        let code = self.get(DATATYPE) as i64;
        let datatype = Datatype::from_code(code).ok_or_else(|| Error::Datatype {
            path: path.into(),
            code,
            name: unsupported_name(code),
        })?;
        let bitpix = self.get(BITPIX) as i64;
        let expected = 8 * datatype.size() as i64;
        if bitpix != expected {
            return Err(Error::Bitpix {
                path: path.into(),
                bitpix,
                datatype: datatype.name(),
                expected,
            });
        }
        Ok(datatype)
    }

    fn check_voxel_offset(&self, path: &Path) -> Result<u64, Error> {
        let value = self.get(VOX_OFFSET);
        let minimum = if self.single_file {
            self.version.single_file_offset() as u64
        } else {
            0
        };
        if value == 0.0 {
            // Some writers leave it out; voxels then start where they can.
            return Ok(minimum);
        }
        let whole = value.is_finite() && value.fract() == 0.0;
        if !whole || value < minimum as f64 {
            return Err(Error::VoxOffset {
                path: path.into(),
                value,
                minimum,
            });
        }
        Ok(value as u64)
    }

    /// Makes this the header of one 3-D volume: four and more dimensions become three. The fields
    /// of a header that has three already stay untouched.
    pub(super) fn set_single_volume(&mut self) {
        if self.get(DIM) > 3.0 {
            self.set(DIM, 3.0);
            for index in 4..=7 {
                self.set(DIM.at(index), 1.0);
            }
        }
        self.volumes = 1;
    }

    /// Makes this the header of a single file or of a pair, in both cases without extensions.
    pub(super) fn set_storage(&mut self, single_file: bool) {
        let (at, prefix) = match self.version {
            Version::One => (344, if single_file { b"n+1" } else { b"ni1" }),
            Version::Two => (4, if single_file { b"n+2" } else { b"ni2" }),
        };
        self.bytes[at..at + prefix.len()].copy_from_slice(prefix);
        let offset = if single_file {
            self.version.single_file_offset()
        } else {
            0
        };
        self.set(VOX_OFFSET, offset as f64);
        self.single_file = single_file;
        self.voxel_offset = offset as u64;
    }

    /// Declares a part of the grid: `shape` voxels along each axis, of which the first was voxel
    /// `start`. A header with neither sform nor qform gets an sform.
    pub(super) fn set_part(&mut self, start: [usize; 3], shape: [usize; 3]) {
        let start = start.map(|index| index as f64);
        let moved = |rows: [[f64; 4]; 3]| {
            rows.map(|[x, y, z, offset]| x * start[0] + y * start[1] + z * start[2] + offset)
        };
        if self.qform_code() > 0 {
            let offset = moved(self.qform());
            for (index, value) in offset.into_iter().enumerate() {
                self.set(QOFFSET.at(index), value);
            }
        }
        if self.qform_code() <= 0 && self.sform_code() <= 0 {
            self.set(SFORM_CODE, f64::from(ALIGNED));
            for axis in 0..3 {
                for column in 0..4 {
                    let size = self.pixdim(axis + 1).abs();
                    let value = if column == axis { size } else { 0.0 };
                    self.set(SROW.at(4 * axis + column), value);
                }
            }
        }
        if self.sform_code() > 0 {
            let offset = moved(self.sform());
            for (row, value) in offset.into_iter().enumerate() {
                self.set(SROW.at(4 * row + 3), value);
            }
        }
        for (axis, extent) in shape.into_iter().enumerate() {
            self.set(DIM.at(axis + 1), extent as f64);
        }
        self.shape = shape;
    }

    /// Declares voxels of another type that are stored without scaling.
    pub(super) fn set_unscaled(&mut self, datatype: Datatype) {
        self.set(DATATYPE, f64::from(datatype.code()));
        self.set(BITPIX, 8.0 * datatype.size() as f64);
        self.set(SCL_SLOPE, 1.0);
        self.set(SCL_INTER, 0.0);
        self.datatype = datatype;
    }

    /// Declares how stored values map to real ones.
    pub(super) fn set_scaling(&mut self, scaling: Scaling) {
        self.set(SCL_SLOPE, scaling.slope());
        self.set(SCL_INTER, scaling.intercept());
    }

    /// Forgets what the header says about the meaning of the values: display range and intent.
    pub(super) fn clear_meaning(&mut self) {
        self.set(CAL_MAX, 0.0);
        self.set(CAL_MIN, 0.0);
        self.set(INTENT_CODE, 0.0);
        let name = match self.version {
            Version::One => 328,
            Version::Two => 508,
        };
        self.bytes[name..name + INTENT_NAME_LEN].fill(0);
    }

    /// The value of a field. Every kind converts exactly, except 64-bit integers beyond 2^53,
    /// which no valid header has.
    fn get(&self, field: Field) -> f64 {
        let (offset, kind) = self.locate(field);
        match kind {
            Kind::U8 => f64::from(self.bytes[offset]),
            Kind::I16 => f64::from(i16::from_le_bytes(self.load(offset))),
            Kind::I32 => f64::from(i32::from_le_bytes(self.load(offset))),
            Kind::I64 => i64::from_le_bytes(self.load(offset)) as f64,
            Kind::F32 => f64::from(f32::from_le_bytes(self.load(offset))),
            Kind::F64 => f64::from_le_bytes(self.load(offset)),
        }
    }

    fn set(&mut self, field: Field, value: f64) {
        let (offset, kind) = self.locate(field);
        match kind {
            Kind::U8 => self.bytes[offset] = value as u8,
            Kind::I16 => self.store(offset, (value as i16).to_le_bytes()),
            Kind::I32 => self.store(offset, (value as i32).to_le_bytes()),
            Kind::I64 => self.store(offset, (value as i64).to_le_bytes()),
            Kind::F32 => self.store(offset, (value as f32).to_le_bytes()),
            Kind::F64 => self.store(offset, value.to_le_bytes()),
        }
    }

    fn locate(&self, field: Field) -> (usize, Kind) {
        match self.version {
            Version::One => field.one,
            Version::Two => field.two,
        }
    }

    /// Bytes at `offset`, least significant first.
    fn load<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.bytes[offset..offset + N]);
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    /// Stores bytes given least significant first.
    fn store<const N: usize>(&mut self, offset: usize, mut bytes: [u8; N]) {
        if self.big_endian {
            bytes.reverse();
        }
        self.bytes[offset..offset + N].copy_from_slice(&bytes);
    }
}

fn unsupported_name(code: i64) -> &'static str {
    match code {
        1 => "binary",
        32 => "complex64",
        128 => "rgb24",
        1536 => "float128",
        1792 => "complex128",
        2048 => "complex256",
        2304 => "rgba32",
        _ => "unknown",
    }
}

/// The rotation of a unit quaternion given by its last three components. Components whose squares
/// sum to more than one are shortened to a half turn about the same axis.
fn rotation([b, c, d]: [f64; 3]) -> [[f64; 3]; 3] {
    let rest = 1.0 - (b * b + c * c + d * d);
    let (a, [b, c, d]) = if rest < 1e-7 {
        let norm = b.hypot(c).hypot(d);
        (0.0, [b / norm, c / norm, d / norm])
    } else {
        (rest.sqrt(), [b, c, d])
    };
    [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            2.0 * (b * d + a * c),
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d - a * b),
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            a * a + d * d - b * b - c * c,
        ],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_quaternions_become_half_turns() {
        let turn = rotation([0.0, 0.0, 2.0]);
        assert_eq!(turn, [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]);
    }
}
