//! Reading scans.

use std::io::{Cursor, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::geometry::Geometry;
use super::header::Header;
use super::input::Input;
use super::naming::{Naming, Part};
use super::voxels::{Datatype, Scaling, Voxel, Voxels, swap_bytes, with_voxels};
use super::{FourD, Scan};

/// Voxels are read in pieces that double in size from this many bytes on, so that memory follows
/// the bytes that have arrived and not the header's claim.
const FIRST_PIECE: usize = 1 << 20;

impl Scan {
    /// Reads a scan from a `.nii`, `.hdr` or `.img` file or any of them compressed with gzip; of a
    /// pair either half may be given. What the file is, is told by its content.
    ///
    /// Only the volume that `four_d` asks for is loaded. Volumes that follow it are neither read
    /// nor checked.
    ///
    /// # Errors
    ///
    /// One [`Error`] per way a file can be unreadable, unsupported or wrong.
    pub fn read(path: impl AsRef<Path>, four_d: FourD) -> Result<Scan, Error> {
        let path = path.as_ref();
        let naming = Naming::of(path);
        let header_path = match &naming {
            Some(naming) if naming.part == Part::Image => find(path, naming, Part::Header)?,
            _ => path.to_path_buf(),
        };
        let mut input = Input::open(&header_path)?;
        let header = read_header(&mut input, &header_path)?;
        let geometry = Geometry::from_header(&header, &header_path)?;
        if header.is_single_file() {
            return load(header, geometry, input, four_d);
        }
        drop(input);
        let image_path = match &naming {
            Some(naming) if naming.part == Part::Image => path.to_path_buf(),
            Some(naming) => find(path, naming, Part::Image)?,
            None => return Err(missing(path, Part::Image)),
        };
        load(header, geometry, Input::open(&image_path)?, four_d)
    }

    /// Reads a scan from the content of a `.nii` or `.nii.gz` file; `name` stands for the file in
    /// error messages.
    ///
    /// # Errors
    ///
    /// As [`Scan::read`]; a `.hdr` without its `.img` is [`Error::MissingHalf`].
    pub fn from_bytes(bytes: &[u8], name: impl AsRef<Path>, four_d: FourD) -> Result<Scan, Error> {
        let name = name.as_ref();
        let mut input = Input::new(Cursor::new(bytes), bytes.len() as u64, name)?;
        let header = read_header(&mut input, name)?;
        if !header.is_single_file() {
            return Err(missing(name, Part::Image));
        }
        let geometry = Geometry::from_header(&header, name)?;
        load(header, geometry, input, four_d)
    }
}

fn missing(path: &Path, part: Part) -> Error {
    Error::MissingHalf {
        path: path.into(),
        missing: part.suffix(),
    }
}

/// The other half of a pair, preferably compressed like the one at `path`.
fn find(path: &Path, naming: &Naming, part: Part) -> Result<PathBuf, Error> {
    [naming.gzip, !naming.gzip]
        .into_iter()
        .map(|gzip| naming.sibling(part, gzip))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| missing(path, part))
}

fn read_header<R: Read + Seek>(input: &mut Input<R>, path: &Path) -> Result<Header, Error> {
    let not_nifti = || Error::NotNifti { path: path.into() };
    let mut length = [0; 4];
    if input.read_up_to(&mut length)? < length.len() {
        return Err(not_nifti());
    }
    let (version, big_endian) = Header::recognise(length).ok_or_else(not_nifti)?;
    let mut bytes = vec![0; version.header_len()];
    let (start, rest) = bytes.split_at_mut(length.len());
    start.copy_from_slice(&length);
    input.read_exact(rest, version.header_len() as u64)?;
    Header::parse(bytes, version, big_endian, path)
}

/// Loads the chosen volume from `input`, the file that holds the voxels.
fn load<R: Read + Seek>(
    header: Header,
    geometry: Geometry,
    mut input: Input<R>,
    four_d: FourD,
) -> Result<Scan, Error> {
    let volumes = header.volumes();
    let chosen = match four_d {
        FourD::First => 0..1,
        FourD::Volume(index) if index < volumes => index..index + 1,
        FourD::Volume(index) => {
            return Err(Error::NoSuchVolume {
                path: input.path().into(),
                index,
                volumes,
            });
        }
        FourD::Mean => 0..volumes,
    };
    let layout = Layout::new(&header, &chosen).ok_or_else(|| Error::SizeOverflow {
        path: input.path().into(),
    })?;
    input.check_claim(layout.end)?;
    input.skip_to(layout.start, layout.end)?;

    let (voxels, scaling) = if chosen.len() == 1 {
        (layout.read_volume(&mut input)?, header.scaling())
    } else {
        let mut sums = Vec::new();
        for _ in chosen.clone() {
            let volume = layout.read_volume(&mut input)?;
            with_voxels!(&volume, |data| add(&mut sums, data, header.scaling()));
        }
        let mean = sums
            .iter()
            .map(|sum| (sum / volumes as f64) as f32)
            .collect();
        (Voxels::F32(mean), Scaling::NONE)
    };
    if chosen.end == volumes {
        input.finish()?;
    }
    Ok(Scan {
        header,
        geometry,
        voxels,
        scaling,
        mean: chosen.len() > 1,
    })
}

/// Adds real values, in which NaN and infinities count as 0.
fn add<T: Voxel>(sums: &mut Vec<f64>, voxels: &[T], scaling: Scaling) {
    sums.resize(voxels.len(), 0.0);
    for (sum, voxel) in sums.iter_mut().zip(voxels) {
        let value = scaling.apply(voxel.to_f64());
        *sum += if value.is_finite() { value } else { 0.0 };
    }
}

/// Where the chosen volumes are in their file.
struct Layout {
    datatype: Datatype,
    swapped: bool,
    voxels_per_volume: usize,
    start: u64,
    end: u64,
}

impl Layout {
    /// `None` if a size overflows.
    fn new(header: &Header, chosen: &Range<usize>) -> Option<Layout> {
        let [x, y, z] = header.shape();
        let voxels_per_volume = x.checked_mul(y)?.checked_mul(z)?;
        let volume_len = voxels_per_volume.checked_mul(header.datatype().size())? as u64;
        let position = |volume: usize| {
            volume_len
                .checked_mul(volume as u64)?
                .checked_add(header.voxel_offset())
        };
        Some(Layout {
            datatype: header.datatype(),
            swapped: header.is_big_endian() != cfg!(target_endian = "big"),
            voxels_per_volume,
            start: position(chosen.start)?,
            end: position(chosen.end)?,
        })
    }

    fn read_volume<R: Read + Seek>(&self, input: &mut Input<R>) -> Result<Voxels, Error> {
        Ok(match self.datatype {
            Datatype::U8 => self.read_as::<u8, R>(input)?.into(),
            Datatype::I8 => self.read_as::<i8, R>(input)?.into(),
            Datatype::U16 => self.read_as::<u16, R>(input)?.into(),
            Datatype::I16 => self.read_as::<i16, R>(input)?.into(),
            Datatype::U32 => self.read_as::<u32, R>(input)?.into(),
            Datatype::I32 => self.read_as::<i32, R>(input)?.into(),
            Datatype::U64 => self.read_as::<u64, R>(input)?.into(),
            Datatype::I64 => self.read_as::<i64, R>(input)?.into(),
            Datatype::F32 => self.read_as::<f32, R>(input)?.into(),
            Datatype::F64 => self.read_as::<f64, R>(input)?.into(),
        })
    }

    fn read_as<T: Voxel, R: Read + Seek>(&self, input: &mut Input<R>) -> Result<Vec<T>, Error> {
        let mut voxels: Vec<T> = Vec::new();
        while voxels.len() < self.voxels_per_volume {
            let start = voxels.len();
            let piece = start
                .max(FIRST_PIECE / size_of::<T>())
                .min(self.voxels_per_volume - start);
            voxels
                .try_reserve_exact(piece)
                .map_err(|_| Error::OutOfMemory {
                    path: input.path().into(),
                    bytes: (piece * size_of::<T>()) as u64,
                })?;
            voxels.resize(start + piece, T::zeroed());
            input.read_exact(bytemuck::cast_slice_mut(&mut voxels[start..]), self.end)?;
        }
        if self.swapped {
            swap_bytes(&mut voxels);
        }
        Ok(voxels)
    }
}
