//! Reading scans.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::geometry::Geometry;
use super::header::Header;
use super::input::Input;
use super::mgh::{self, Mgh};
use super::naming::{Naming, Part};
use super::voxels::{Datatype, Scaling, Voxel, Voxels, swap_bytes, with_voxels};
use super::{FourD, Scan};

/// Voxels are read in pieces that double in size from this many bytes on, so that memory follows
/// the bytes that have arrived and not the header's claim.
const FIRST_PIECE: usize = 1 << 20;

impl Scan {
    /// Reads a scan from a `.nii`, `.hdr`, `.img` or `.mgh` file or any of them compressed with
    /// gzip; of a pair either half may be given. What the file is, is told by its content.
    ///
    /// Only the volume that `four_d` asks for is loaded. Volumes that follow it are neither read
    /// nor checked.
    ///
    /// # Errors
    ///
    /// One [`Error`] per way a file can be unreadable, unsupported or wrong.
    pub fn read(path: impl AsRef<Path>, four_d: FourD) -> Result<Scan, Error> {
        Source::open(path.as_ref(), four_d)?.load()
    }

    /// Reads a scan from the content of a file, as [`Scan::read`] does; `name` stands for the file
    /// in error messages.
    ///
    /// # Errors
    ///
    /// As [`Scan::read`]; a `.hdr` without its `.img` is [`Error::MissingHalf`].
    pub fn from_bytes(bytes: &[u8], name: impl AsRef<Path>, four_d: FourD) -> Result<Scan, Error> {
        let name = name.as_ref();
        let mut input = Input::new(Cursor::new(bytes), bytes.len() as u64, name)?;
        let description = Description::read(&mut input, name)?;
        if !description.stored.is_single_file() {
            return Err(missing(name, Part::Image));
        }
        Source::new(description, input, four_d)?.load()
    }
}

impl Header {
    /// Reads the header of a scan, and no voxels.
    ///
    /// # Errors
    ///
    /// As [`Scan::read`], as far as the header shows.
    pub fn read(path: impl AsRef<Path>) -> Result<Header, Error> {
        Ok(Source::open(path.as_ref(), FourD::First)?.header().clone())
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

/// What the start of a file says about the rest.
struct Description {
    /// The header that tells where and how the voxels are stored.
    stored: Header,
    /// The header for files made from this one.
    header: Header,
    geometry: Geometry,
}

impl Description {
    fn read<R: Read + Seek>(input: &mut Input<R>, path: &Path) -> Result<Description, Error> {
        let not_nifti = || Error::NotNifti { path: path.into() };
        let mut start = [0; 4];
        if input.read_up_to(&mut start)? < start.len() {
            return Err(not_nifti());
        }
        if start == mgh::MAGIC {
            let mgh = Mgh::read(input, path)?;
            return Ok(Description {
                stored: mgh.stored,
                header: mgh.native,
                geometry: mgh.geometry,
            });
        }
        let (version, big_endian) = Header::recognise(start).ok_or_else(not_nifti)?;
        let mut bytes = vec![0; version.header_len()];
        let (first, rest) = bytes.split_at_mut(start.len());
        first.copy_from_slice(&start);
        input.read_exact(rest, version.header_len() as u64)?;
        let header = Header::parse(bytes, version, big_endian, path)?;
        let geometry = Geometry::from_header(&header, path)?;
        Ok(Description {
            stored: header.clone(),
            header,
            geometry,
        })
    }
}

/// A file whose header has been read, and the volumes that are wanted of it.
pub(super) struct Source<R> {
    description: Description,
    input: Input<R>,
    layout: Layout,
    chosen: Range<usize>,
}

impl Source<File> {
    /// Opens a file, or the two files of a pair.
    pub fn open(path: &Path, four_d: FourD) -> Result<Self, Error> {
        let naming = Naming::of(path);
        let header_path = match &naming {
            Some(naming) if naming.part == Part::Image => find(path, naming, Part::Header)?,
            _ => path.to_path_buf(),
        };
        let mut input = Input::open(&header_path)?;
        let description = Description::read(&mut input, &header_path)?;
        if description.stored.is_single_file() {
            return Source::new(description, input, four_d);
        }
        drop(input);
        let image_path = match &naming {
            Some(naming) if naming.part == Part::Image => path.to_path_buf(),
            Some(naming) => find(path, naming, Part::Image)?,
            None => return Err(missing(path, Part::Image)),
        };
        Source::new(description, Input::open(&image_path)?, four_d)
    }
}

impl<R: Read + Seek> Source<R> {
    /// `input` is the file that holds the voxels.
    fn new(description: Description, mut input: Input<R>, four_d: FourD) -> Result<Self, Error> {
        let stored = &description.stored;
        let volumes = stored.volumes();
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
        let layout = Layout::new(stored, &chosen).ok_or_else(|| Error::SizeOverflow {
            path: input.path().into(),
        })?;
        input.check_claim(layout.end)?;
        input.skip_to(layout.start, layout.end)?;
        Ok(Source {
            description,
            input,
            layout,
            chosen,
        })
    }

    /// The header for files made from this one.
    pub fn header(&self) -> &Header {
        &self.description.header
    }

    /// The next of the chosen volumes.
    pub fn next_volume(&mut self) -> Result<Voxels, Error> {
        self.layout.read_volume(&mut self.input)
    }

    /// Call after the last chosen volume: if the file ends with it, its checksum is verified.
    pub fn finish(self) -> Result<(), Error> {
        if self.chosen.end == self.header().volumes() {
            self.input.finish()?;
        }
        Ok(())
    }

    fn load(mut self) -> Result<Scan, Error> {
        let header = self.header().clone();
        let geometry = self.description.geometry.clone();
        let count = self.chosen.len();
        let (voxels, scaling) = if count == 1 {
            (self.next_volume()?, header.scaling())
        } else {
            let mut sums = Vec::new();
            for _ in 0..count {
                let volume = self.next_volume()?;
                with_voxels!(&volume, |data| add(&mut sums, data, header.scaling()));
            }
            let mean = sums.iter().map(|sum| (sum / count as f64) as f32);
            (Voxels::F32(mean.collect()), Scaling::NONE)
        };
        self.finish()?;
        Ok(Scan {
            header,
            geometry,
            voxels,
            scaling,
            mean: count > 1,
        })
    }
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
            swapped: header.is_swapped(),
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
