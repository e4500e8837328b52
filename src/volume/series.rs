//! One mask for every volume of a series.

use std::io::{self, Write};
use std::path::Path;

use ndarray::Array3;

use super::error::Error;
use super::header::Header;
use super::read::Source;
use super::voxels::with_voxels;
use super::write::{Target, masked, send, write_voxels};
use super::{FourD, Scan};

impl Scan {
    /// Writes all volumes of `source`, the file that this scan was read from, with everything
    /// outside `mask` set to the stored value nearest to `fill`. One volume is in memory at a time.
    ///
    /// # Errors
    ///
    /// As [`Scan::read`] and [`Scan::write_mask`].
    pub fn send_brain_series(
        &self,
        source: &Path,
        target: Target,
        mask: &Array3<u8>,
        fill: f64,
    ) -> Result<(), Error> {
        self.check_shape(target.path(), mask)?;
        let source = Source::open(source, FourD::Mean)?;
        let header = source.header().clone();
        let mut failure = None;
        let sent = send(target, header, |file, header| {
            let copied = copy(source, file, header, mask, fill);
            copied.map_err(|cause| match cause {
                Copy::Read(error) => {
                    failure = Some(error);
                    io::ErrorKind::Other.into()
                }
                Copy::Write(error) => error,
            })
        });
        match failure {
            Some(error) => Err(error),
            None => sent,
        }
    }
}

enum Copy {
    Read(Error),
    Write(io::Error),
}

fn copy(
    mut source: Source<std::fs::File>,
    file: &mut dyn Write,
    header: &Header,
    mask: &Array3<u8>,
    fill: f64,
) -> Result<(), Copy> {
    for _ in 0..header.volumes() {
        let volume = source.next_volume().map_err(Copy::Read)?;
        with_voxels!(&volume, |data| {
            let voxels = masked(data, mask, header.scaling().stored(fill));
            write_voxels(file, voxels, header.is_swapped()).map_err(Copy::Write)?;
        });
    }
    source.finish().map_err(Copy::Read)
}
