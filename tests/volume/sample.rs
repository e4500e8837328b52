//! Small NIfTI files, laid out field after field as the standard lists them and thus independent of
//! the offsets that the library uses.

use std::io::Write;

use endocast::volume::{Datatype, Error, FourD, Scan, Version};
use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{Array3, ShapeBuilder};

/// A NIfTI file as the standard lays it out, written field after field.
#[derive(Clone, Debug)]
pub struct Nifti {
    pub version: Version,
    pub big_endian: bool,
    pub pair: bool,
    pub magic: Option<[u8; 4]>,
    pub dim: [i64; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 8],
    pub vox_offset: Option<f64>,
    pub slope: f64,
    pub intercept: f64,
    pub units: u8,
    pub qform_code: i16,
    pub sform_code: i16,
    pub quaternion: [f64; 3],
    pub qoffset: [f64; 3],
    pub sform: [[f64; 4]; 3],
    pub extension: Vec<u8>,
    pub voxels: Vec<f64>,
}

pub const SHAPE: [usize; 3] = [3, 4, 5];
pub const COUNT: usize = 60;

/// Name, code and bytes of every supported type.
pub const TYPES: [(Datatype, i16, i16); 10] = [
    (Datatype::U8, 2, 1),
    (Datatype::I16, 4, 2),
    (Datatype::I32, 8, 4),
    (Datatype::F32, 16, 4),
    (Datatype::F64, 64, 8),
    (Datatype::I8, 256, 1),
    (Datatype::U16, 512, 2),
    (Datatype::U32, 768, 4),
    (Datatype::I64, 1024, 8),
    (Datatype::U64, 1280, 8),
];

impl Nifti {
    /// A well-formed `int16` file with a distinct value in every field.
    pub fn new(version: Version, big_endian: bool) -> Nifti {
        Nifti {
            version,
            big_endian,
            pair: false,
            magic: None,
            dim: [3, 3, 4, 5, 1, 1, 1, 1],
            datatype: 4,
            bitpix: 16,
            pixdim: [-1.0, 1.5, 2.0, 2.5, 0.75, 0.0, 0.0, 0.0],
            vox_offset: None,
            slope: 1.0,
            intercept: 0.0,
            units: 2 | 8,
            qform_code: 1,
            sform_code: 2,
            quaternion: [0.1, -0.2, 0.3],
            qoffset: [-11.0, 12.0, -13.0],
            sform: [
                [-1.5, 0.125, 0.0, 40.0],
                [0.25, 2.0, -0.5, -50.0],
                [0.0, 0.5, 2.5, 60.0],
            ],
            extension: Vec::new(),
            voxels: ramp(COUNT),
        }
    }

    pub fn typed(mut self, code: i16, size: i16) -> Nifti {
        self.datatype = code;
        self.bitpix = 8 * size;
        self
    }

    pub fn header_len(&self) -> usize {
        match self.version {
            Version::One => 348,
            Version::Two => 540,
        }
    }

    pub fn header(&self) -> Vec<u8> {
        let mut out = Fields {
            bytes: Vec::new(),
            big_endian: self.big_endian,
        };
        let digit = if self.version == Version::One {
            b'1'
        } else {
            b'2'
        };
        let form = if self.pair {
            [b'n', b'i', digit, 0]
        } else {
            [b'n', b'+', digit, 0]
        };
        let magic = self.magic.unwrap_or(form);
        let first = self.header_len() + 4 + self.extension.len();
        let vox_offset = self
            .vox_offset
            .unwrap_or(if self.pair { 0.0 } else { first as f64 });
        let text = |text: &str, len: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(len, 0);
            bytes
        };
        match self.version {
            Version::One => {
                out.i32(348);
                out.raw(&text("legacy", 10));
                out.raw(&text("database", 18));
                out.i32(16384);
                out.i16(7);
                out.raw(b"r\x39");
                self.dim.iter().for_each(|&value| out.i16(value as i16));
                [1.25, 2.25, 3.25].iter().for_each(|&value| out.f32(value));
                out.i16(1002);
                out.i16(self.datatype);
                out.i16(self.bitpix);
                out.i16(1);
                self.pixdim.iter().for_each(|&value| out.f32(value));
                out.f32(vox_offset);
                out.f32(self.slope);
                out.f32(self.intercept);
                out.i16(4);
                out.raw(&[3, self.units]);
                [900.0, 5.0, 0.125, 17.0]
                    .iter()
                    .for_each(|&value| out.f32(value));
                out.i32(255);
                out.i32(-1);
                out.raw(&text("a head, described", 80));
                out.raw(&text("aux.txt", 24));
                out.i16(self.qform_code);
                out.i16(self.sform_code);
                let floats = self.quaternion.iter().chain(&self.qoffset);
                floats
                    .chain(self.sform.iter().flatten())
                    .for_each(|&value| out.f32(value));
                out.raw(&text("an intent", 16));
                out.raw(&magic);
            }
            Version::Two => {
                out.i32(540);
                out.raw(&magic);
                out.raw(b"\r\n\x1a\n");
                out.i16(self.datatype);
                out.i16(self.bitpix);
                self.dim.iter().for_each(|&value| out.i64(value));
                [1.25, 2.25, 3.25].iter().for_each(|&value| out.f64(value));
                self.pixdim.iter().for_each(|&value| out.f64(value));
                out.i64(vox_offset as i64);
                [self.slope, self.intercept]
                    .iter()
                    .for_each(|&value| out.f64(value));
                [900.0, 5.0, 0.125, 17.0]
                    .iter()
                    .for_each(|&value| out.f64(value));
                out.i64(1);
                out.i64(4);
                out.raw(&text("a head, described", 80));
                out.raw(&text("aux.txt", 24));
                out.i32(self.qform_code.into());
                out.i32(self.sform_code.into());
                let floats = self.quaternion.iter().chain(&self.qoffset);
                floats
                    .chain(self.sform.iter().flatten())
                    .for_each(|&value| out.f64(value));
                out.i32(3);
                out.i32(self.units.into());
                out.i32(1002);
                out.raw(&text("an intent", 16));
                out.raw(&[0x39]);
                out.raw(&[0; 15]);
            }
        }
        assert_eq!(out.bytes.len(), self.header_len());
        out.bytes
    }

    pub fn image(&self) -> Vec<u8> {
        let mut out = Fields {
            bytes: Vec::new(),
            big_endian: self.big_endian,
        };
        for &value in &self.voxels {
            match self.datatype {
                2 => out.raw(&[value as u8]),
                4 => out.i16(value as i16),
                8 => out.i32(value as i32),
                16 => out.f32(value),
                64 => out.f64(value),
                256 => out.raw(&(value as i8).to_ne_bytes()),
                512 => out.i16(value as u16 as i16),
                768 => out.i32(value as u32 as i32),
                1024 => out.i64(value as i64),
                1280 => out.i64(value as u64 as i64),
                _ => out.raw(&vec![0; self.bitpix as usize / 8]),
            }
        }
        out.bytes
    }

    /// The content of a single file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.extend([u8::from(!self.extension.is_empty()), 0, 0, 0]);
        bytes.extend(&self.extension);
        bytes.extend(self.image());
        bytes
    }

    pub fn scan(&self) -> Scan {
        self.read(FourD::First).unwrap()
    }

    pub fn read(&self, four_d: FourD) -> Result<Scan, Error> {
        Scan::from_bytes(&self.bytes(), "test.nii", four_d)
    }

    pub fn error(&self) -> Error {
        self.read(FourD::First).unwrap_err()
    }
}

struct Fields {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl Fields {
    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    fn number<const N: usize>(&mut self, big: [u8; N], little: [u8; N]) {
        self.raw(if self.big_endian { &big } else { &little });
    }

    fn i16(&mut self, value: i16) {
        self.number(value.to_be_bytes(), value.to_le_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.number(value.to_be_bytes(), value.to_le_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.number(value.to_be_bytes(), value.to_le_bytes());
    }

    fn f32(&mut self, value: f64) {
        let value = value as f32;
        self.number(value.to_be_bytes(), value.to_le_bytes());
    }

    fn f64(&mut self, value: f64) {
        self.number(value.to_be_bytes(), value.to_le_bytes());
    }
}

/// 0, 1, 2, ... kept inside the range of every type.
pub fn ramp(count: usize) -> Vec<f64> {
    (0..count).map(|index| (index % 120) as f64).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Every combination of version and byte order.
pub fn kinds() -> impl Iterator<Item = Nifti> {
    [Version::One, Version::Two]
        .into_iter()
        .flat_map(|version| [false, true].map(|big_endian| Nifti::new(version, big_endian)))
}

pub fn expected(nifti: &Nifti) -> Array3<f64> {
    let real = |stored: &f64| stored * nifti.slope + nifti.intercept;
    let values = nifti.voxels.iter().take(COUNT).map(real).collect();
    Array3::from_shape_vec(SHAPE.f(), values).unwrap()
}

/// A mask that is 1 in a few voxels of an asymmetric shape.
pub fn corner_mask() -> Array3<u8> {
    Array3::from_shape_fn(SHAPE, |(i, j, k)| u8::from(i >= 1 && j != 2 && k < 3))
}
