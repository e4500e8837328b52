//! A forward stream of bytes from a plain or gzip-compressed file.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::error::Error;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Deflate spends at least two bits on a match and a match yields at most 258 bytes.
const MAX_EXPANSION: u64 = 258 * 8 / 2;

const BUFFER_LEN: usize = 1 << 17;

enum Stream<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
}

/// Reads a source from its start; what is compressed is told by content, not by name.
pub(super) struct Input<R> {
    path: PathBuf,
    stream: Stream<R>,
    length: u64,
    position: u64,
}

impl Input<File> {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let open = |source| Error::Open {
            path: path.into(),
            source,
        };
        let metadata = path.metadata().map_err(open)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.into() });
        }
        let file = File::open(path).map_err(open)?;
        Input::new(file, metadata.len(), path)
    }
}

impl<R: Read + Seek> Input<R> {
    /// `length` is the source's size in bytes; `path` is its name in errors.
    pub(super) fn new(mut source: R, length: u64, path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read {
            path: path.into(),
            source,
        };
        let mut magic = Vec::with_capacity(GZIP_MAGIC.len());
        source
            .by_ref()
            .take(GZIP_MAGIC.len() as u64)
            .read_to_end(&mut magic)
            .map_err(failed)?;
        source.seek(SeekFrom::Start(0)).map_err(failed)?;
        let stream = if magic == GZIP_MAGIC {
            let buffered = BufReader::with_capacity(BUFFER_LEN, source);
            Stream::Gzip(Box::new(MultiGzDecoder::new(buffered)))
        } else {
            Stream::Plain(source)
        };
        Ok(Input {
            path: path.into(),
            stream,
            length,
            position: 0,
        })
    }

    /// The source's name in errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills as much of `buffer` as the source has bytes for and returns their number.
    pub(super) fn read_up_to(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Fills `buffer`; `needed` is what to report if the source ends early.
    pub(super) fn read_exact(&mut self, buffer: &mut [u8], needed: u64) -> Result<(), Error> {
        if self.read_up_to(buffer)? < buffer.len() {
            return Err(self.truncated(needed));
        }
        Ok(())
    }

    /// Moves forward to a position counted from the start of the (decompressed) source.
    pub(super) fn skip_to(&mut self, position: u64, needed: u64) -> Result<(), Error> {
        if let Stream::Plain(source) = &mut self.stream {
            source
                .seek(SeekFrom::Start(position))
                .map_err(|source| Error::Read {
                    path: self.path.clone(),
                    source,
                })?;
            self.position = position;
            return Ok(());
        }
        let mut scratch = [0; 1 << 13];
        while self.position < position {
            let step = (position - self.position).min(scratch.len() as u64) as usize;
            self.read_exact(&mut scratch[..step], needed)?;
        }
        Ok(())
    }

    /// Refuses a claim that the source is too short for, without reading it.
    pub(super) fn check_claim(&self, needed: u64) -> Result<(), Error> {
        match self.stream {
            Stream::Plain(_) if needed > self.length => Err(Error::Truncated {
                path: self.path.clone(),
                needed,
                found: self.length,
            }),
            Stream::Gzip(_) if needed > self.length.saturating_mul(MAX_EXPANSION) => {
                Err(Error::ClaimTooLarge {
                    path: self.path.clone(),
                    claimed: needed,
                    length: self.length,
                })
            }
            _ => Ok(()),
        }
    }

    /// Call after the last byte that is of interest: if it is the last of a compressed source, its
    /// checksum is verified.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if let Stream::Gzip(decoder) = &mut self.stream {
            let probe = retry(|| decoder.read(&mut [0]));
            probe.map_err(|source| Error::Gzip {
                path: self.path.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// One read; a compressed source that breaks off counts as ended.
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let path = &self.path;
        let result = match &mut self.stream {
            Stream::Plain(source) => retry(|| source.read(buffer)).map_err(|source| Error::Read {
                path: path.into(),
                source,
            }),
            Stream::Gzip(decoder) => match retry(|| decoder.read(buffer)) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                Err(source)
                    if matches!(
                        source.kind(),
                        ErrorKind::InvalidData | ErrorKind::InvalidInput
                    ) =>
                {
                    Err(Error::Gzip {
                        path: path.into(),
                        source,
                    })
                }
                other => other.map_err(|source| Error::Read {
                    path: path.into(),
                    source,
                }),
            },
        };
        let count = result?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }

    fn truncated(&self, needed: u64) -> Error {
        Error::Truncated {
            path: self.path.clone(),
            needed,
            found: self.position,
        }
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
