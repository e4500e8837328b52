//! Checkpoints of every kind, read into a [`StateDict`].

mod pickle;
mod safetensors;
mod tfjs;
mod torch;
mod zip;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use endocast_weights::sha256_hex;

use crate::error::Error;
use crate::state::StateDict;

/// Longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// A checkpoint's tensors, and which checkpoint it was.
#[derive(Debug)]
pub struct Checkpoint {
    /// All tensors, under their names in the file.
    pub state: StateDict,
    /// SHA-256 of the file; for a TensorFlow.js model, of `model.json` followed by its weight files.
    pub sha256: String,
}

/// Reads the checkpoint at `path`: a PyTorch file, a safetensors file, a TensorFlow.js `model.json`, or
/// a folder with one.
///
/// # Errors
/// The file cannot be read, or is none of these.
pub fn read(path: &Path) -> Result<Checkpoint, Error> {
    let path = if path.is_dir() {
        path.join("model.json")
    } else {
        path.to_owned()
    };
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return read_tfjs(&path);
    }
    let file = contents(&path)?;
    Ok(Checkpoint {
        state: parse(&file)?,
        sha256: sha256_hex(&file),
    })
}

/// Reads a checkpoint that is one file; its first bytes tell of which kind it is.
///
/// # Errors
/// The file is malformed or of no known kind.
pub fn parse(file: &[u8]) -> Result<StateDict, Error> {
    if torch::is_zip(file) {
        torch::read_zip(file)
    } else if torch::is_stream(file) {
        torch::read_stream(file)
    } else if safetensors::is_safetensors(file) {
        safetensors::read(file)
    } else {
        Err(Error::UnknownFormat)
    }
}

/// Reads a TensorFlow.js model: `model.json`, and the contents of the weight files that it names, one
/// after the other.
///
/// # Errors
/// The model is malformed, or not a MeshNet.
pub fn parse_tfjs(json: &[u8], weights: &[u8]) -> Result<StateDict, Error> {
    tfjs::read(json, weights)
}

fn read_tfjs(path: &Path) -> Result<Checkpoint, Error> {
    let mut file = contents(path)?;
    let json_len = file.len();
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    for path in tfjs::weight_files(&file, &folder)? {
        let more = contents(&path)?;
        let len = (file.len() + more.len()) as u64;
        if len > MAX_FILE {
            return Err(Error::TooLong {
                path,
                len,
                max: MAX_FILE,
            });
        }
        file.extend_from_slice(&more);
    }
    Ok(Checkpoint {
        state: parse_tfjs(&file[..json_len], &file[json_len..])?,
        sha256: sha256_hex(&file),
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    if len > MAX_FILE {
        return Err(Error::TooLong {
            path: path.to_owned(),
            len,
            max: MAX_FILE,
        });
    }
    let mut contents = Vec::with_capacity(len as usize);
    file.take(MAX_FILE).read_to_end(&mut contents).map_err(io)?;
    Ok(contents)
}
