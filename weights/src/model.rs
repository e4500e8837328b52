//! The strict reader: a [`Model`] exists only for bytes that obey every rule of the format.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;

use crate::bytes::{ALIGNMENT, AlignedBytes};
use crate::error::Error;
use crate::graph::Graph;
use crate::half::from_f16;
use crate::header::{Dtype, Entry, Header};
use crate::pack::ConvLayout;
use crate::preprocessing::Preprocessing;
use crate::sha256::sha256_hex;
use crate::tensors::{Role, packed_shape, roles, tensor_name};

/// The latest version of the format that this crate reads and writes.
pub const FORMAT_VERSION: &str = "1.1";

/// The feature that a model with quantised values requires.
pub const INT8: &str = "int8";

/// Longest model file that [`Model::open`] reads, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

#[cfg(target_endian = "big")]
compile_error!("tensors are read in place and little-endian");

/// A validated model file.
///
/// Its graph is well formed, every tensor that the graph needs is present with exactly the expected
/// packed shape, no other tensor is, biases, scales and shifts are finite, and 8-bit weights obey
/// [`MAX_PAIR_SUM`](crate::pack::MAX_PAIR_SUM).
pub struct Model {
    bytes: Storage,
    data: Range<usize>,
    graph: Graph,
    preprocessing: Preprocessing,
    metadata: BTreeMap<String, String>,
    tensors: HashMap<(usize, Role), Tensor>,
}

enum Storage {
    Owned(AlignedBytes),
    Static(&'static [u8]),
    #[cfg(feature = "mmap")]
    Mapped(memmap2::Mmap),
}

impl Deref for Storage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Storage::Owned(bytes) => bytes,
            Storage::Static(bytes) => bytes,
            #[cfg(feature = "mmap")]
            Storage::Mapped(bytes) => bytes,
        }
    }
}

/// Where a tensor is in the file, and how it is stored.
#[derive(Clone)]
struct Tensor {
    dtype: Dtype,
    range: Range<usize>,
}

/// A tensor's numbers, starting on a 64-byte line: in place, or expanded from half precision.
pub struct Values<'a>(Numbers<'a>);

enum Numbers<'a> {
    InPlace(&'a [u8]),
    Expanded(AlignedBytes),
}

impl<'a> Values<'a> {
    /// The numbers where they lie in the model; `None` if they had to be expanded.
    pub fn in_place(&self) -> Option<&'a [f32]> {
        match self.0 {
            Numbers::InPlace(bytes) => Some(bytemuck::cast_slice(bytes)),
            Numbers::Expanded(_) => None,
        }
    }
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            Numbers::InPlace(bytes) => bytemuck::cast_slice(bytes),
            Numbers::Expanded(bytes) => bytemuck::cast_slice(bytes),
        }
    }
}

impl Model {
    /// Reads the file at `path` into memory.
    ///
    /// # Errors
    /// The file cannot be read, is longer than [`MAX_FILE`], or breaks a rule of the format.
    pub fn open(path: impl AsRef<Path>) -> Result<Model, Error> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        if len > MAX_FILE {
            return Err(Error::TooLarge("the file".into()));
        }
        let bytes = AlignedBytes::read(&mut file, len as usize)?;
        Model::new(Storage::Owned(bytes))
    }

    /// Maps the file at `path` into memory; pages are read when first used.
    ///
    /// # Safety
    /// While the model lives, nobody may change or truncate the file: a mapping shows such changes,
    /// which Rust's rules for shared slices forbid, and pages that are gone stop the process.
    ///
    /// # Errors
    /// The file cannot be mapped, or breaks a rule of the format.
    #[cfg(feature = "mmap")]
    pub unsafe fn map(path: impl AsRef<Path>) -> Result<Model, Error> {
        let file = File::open(path)?;
        // SAFETY: the caller promises that the file does not change while it is mapped.
        let bytes = unsafe { memmap2::Mmap::map(&file)? };
        Model::new(Storage::Mapped(bytes))
    }

    /// Takes over a copy of `bytes`, the whole contents of a model file.
    ///
    /// # Errors
    /// The bytes break a rule of the format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model, Error> {
        Model::new(Storage::Owned(AlignedBytes::copy_of(bytes)))
    }

    /// Uses bytes that are part of the program in place if they start on a 64-byte line, as those of
    /// [`include_model!`](crate::include_model) do; copies them otherwise.
    ///
    /// # Errors
    /// The bytes break a rule of the format.
    pub fn from_static(bytes: &'static [u8]) -> Result<Model, Error> {
        if bytes.as_ptr().addr().is_multiple_of(ALIGNMENT) {
            Model::new(Storage::Static(bytes))
        } else {
            Model::from_bytes(bytes)
        }
    }

    fn new(bytes: Storage) -> Result<Model, Error> {
        let header = Header::parse(&bytes)?;
        let metadata = header.metadata;
        let get = |key| metadata.get(key).ok_or(Error::MissingMetadata(key));
        let format = get("format")?;
        if format != "endocast" {
            return Err(Error::ForeignFormat(format.clone()));
        }
        check_version(get("format_version")?)?;
        if let Some(unknown) = requires(&metadata).find(|feature| *feature != INT8) {
            return Err(Error::Requires(unknown.into()));
        }
        check_digest("payload_sha256", get("payload_sha256")?)?;
        if let Some(digest) = metadata.get("source_sha256") {
            check_digest("source_sha256", digest)?;
        }
        get("name")?;
        let graph = Graph::parse(get("graph")?)?;
        if graph.is_quantised() && !requires(&metadata).any(|feature| feature == INT8) {
            return Err(Error::Unannounced(INT8));
        }
        let preprocessing: Preprocessing = get("preprocessing")?.parse()?;
        let channels = graph.output().map_or(0, |node| node.channels);
        if preprocessing.outputs.len() != channels {
            return Err(Error::Outputs {
                named: preprocessing.outputs.len(),
                channels,
            });
        }
        let tensors = match_tensors(&graph, header.tensors, header.data_start)?;
        let model = Model {
            data: header.data_start..bytes.len(),
            bytes,
            graph,
            preprocessing,
            metadata,
            tensors,
        };
        model.check_vectors()?;
        model.check_int8()?;
        Ok(model)
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the pipeline around the network has to do.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.metadata["name"]
    }

    /// The metadata entry `key`; FORMAT.md lists the keys.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Length of the file, in bytes.
    pub fn file_len(&self) -> usize {
        self.bytes.len()
    }

    /// The tensor of the graph's node number `node` for `role`, in its packed layout
    /// ([`ConvLayout`] for weights, whole blocks of 16 for the others); `None` if the node has no such
    /// tensor, or [8-bit weights](Self::int8_weights).
    pub fn tensor(&self, node: usize, role: Role) -> Option<Values<'_>> {
        let tensor = self.tensors.get(&(node, role))?;
        let bytes = &self.bytes[tensor.range.clone()];
        match tensor.dtype {
            Dtype::F32 => Some(Values(Numbers::InPlace(bytes))),
            Dtype::F16 => {
                let mut expanded = AlignedBytes::zeroed(bytes.len() * 2);
                expand(
                    bytemuck::cast_slice(bytes),
                    bytemuck::cast_slice_mut(expanded.as_mut_slice()),
                );
                Some(Values(Numbers::Expanded(expanded)))
            }
            Dtype::I8 => None,
        }
    }

    /// The packed weights ([`ConvLayout`]) of the int8 convolution that is the graph's node number
    /// `node`, starting on a 64-byte line; `None` if that node is anything else.
    pub fn int8_weights(&self, node: usize) -> Option<&[i8]> {
        let tensor = self.tensors.get(&(node, Role::Weight))?;
        let bytes = &self.bytes[tensor.range.clone()];
        (tensor.dtype == Dtype::I8).then(|| bytemuck::cast_slice(bytes))
    }

    /// Checksum of the whole file, in hexadecimal digits.
    pub fn file_sha256(&self) -> String {
        sha256_hex(&self.bytes)
    }

    /// The numbers of [`tensor`](Self::tensor) where they lie in the model; `None` also if they would
    /// have to be expanded.
    pub fn in_place(&self, node: usize, role: Role) -> Option<&[f32]> {
        let tensor = self.tensors.get(&(node, role))?;
        let bytes = &self.bytes[tensor.range.clone()];
        (tensor.dtype == Dtype::F32).then(|| bytemuck::cast_slice(bytes))
    }

    /// How many numbers that tensor has, padding included.
    pub fn tensor_len(&self, node: usize, role: Role) -> Option<usize> {
        let tensor = self.tensors.get(&(node, role))?;
        Some(tensor.range.len() / tensor.dtype.size())
    }

    /// Copies the numbers from number `first` on to `out`, which does not reach past the last one;
    /// leaves it as it is where [`tensor`](Self::tensor) gives `None`.
    pub fn copy_tensor(&self, node: usize, role: Role, first: usize, out: &mut [f32]) {
        let Some(tensor) = self.tensors.get(&(node, role)) else {
            return;
        };
        let bytes = &self.bytes[tensor.range.clone()];
        match tensor.dtype {
            Dtype::F32 => {
                out.copy_from_slice(&bytemuck::cast_slice(bytes)[first..first + out.len()]);
            }
            Dtype::F16 => expand(&bytemuck::cast_slice(bytes)[first..first + out.len()], out),
            Dtype::I8 => {}
        }
    }

    /// Compares the data section with the `payload_sha256` of the metadata.
    ///
    /// # Errors
    /// They differ: the file was damaged after it was written.
    pub fn verify_payload(&self) -> Result<(), Error> {
        let found = sha256_hex(&self.bytes[self.data.clone()]);
        let expected = &self.metadata["payload_sha256"];
        if found == *expected {
            return Ok(());
        }
        Err(Error::PayloadDigest {
            found,
            expected: expected.clone(),
        })
    }

    /// Checks the short tensors; weights in floating point are too many to be looked at on every start.
    fn check_vectors(&self) -> Result<(), Error> {
        let vectors = self
            .tensors
            .keys()
            .filter(|(_, role)| *role != Role::Weight);
        for &(node, role) in vectors {
            let values = self.tensor(node, role);
            let values = values.as_deref().unwrap_or_default();
            let name = || tensor_name(&self.graph, node, role);
            if !values.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite(name()));
            }
            let channels = self.graph.nodes()[node].channels;
            let factors = role == Role::Scale && self.int8_weights(node).is_some();
            if factors && !values[..channels].iter().all(|&value| value > 0.0) {
                return Err(Error::NotPositive(name()));
            }
        }
        Ok(())
    }

    /// Checks 8-bit weights, since sums in 16 bits are only right if they obey the rule.
    fn check_int8(&self) -> Result<(), Error> {
        for node in 0..self.graph.nodes().len() {
            let layout = ConvLayout::of(&self.graph, node);
            if let (Some(weights), Some(layout)) = (self.int8_weights(node), layout) {
                layout.check_int8(weights).map_err(|cause| Error::Int8 {
                    tensor: tensor_name(&self.graph, node, Role::Weight),
                    cause,
                })?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// A file of version x.y is read by every reader of version x.z with z >= y.
fn check_version(found: &str) -> Result<(), Error> {
    let parse = |text: &str| -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    match (parse(found), parse(FORMAT_VERSION)) {
        (Some((major, minor)), Some((ours, latest))) if major == ours && minor <= latest => Ok(()),
        _ => Err(Error::Version {
            found: found.into(),
            supported: FORMAT_VERSION,
        }),
    }
}

/// The features that the file requires.
fn requires(metadata: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let list = metadata.get("requires").map_or("", String::as_str);
    list.split(',').filter(|feature| !feature.is_empty())
}

fn check_digest(key: &'static str, found: &str) -> Result<(), Error> {
    if found.len() == 64
        && found
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Ok(());
    }
    Err(Error::MalformedDigest {
        key,
        found: found.into(),
    })
}

/// Gives every tensor to its node.
fn match_tensors(
    graph: &Graph,
    entries: Vec<Entry>,
    data_start: usize,
) -> Result<HashMap<(usize, Role), Tensor>, Error> {
    let mut by_name: BTreeMap<String, Entry> = entries
        .into_iter()
        .map(|entry| (entry.name.clone(), entry))
        .collect();
    let mut tensors = HashMap::new();
    for node in 0..graph.nodes().len() {
        for &role in roles(graph, node) {
            let name = tensor_name(graph, node, role);
            let entry = by_name
                .remove(&name)
                .ok_or_else(|| Error::MissingTensor(name.clone()))?;
            let expected = packed_shape(graph, node, role).unwrap_or_default();
            if entry.shape != expected {
                return Err(Error::Shape {
                    tensor: name,
                    found: entry.shape,
                    expected,
                });
            }
            let int8 = graph.quantisation(node).is_some();
            let allowed = match entry.dtype {
                Dtype::F32 => role != Role::Weight || !int8,
                Dtype::F16 => role == Role::Weight && !int8,
                Dtype::I8 => role == Role::Weight && int8,
            };
            if !allowed {
                return Err(Error::Dtype {
                    tensor: name,
                    found: entry.dtype.word().into(),
                });
            }
            let range = data_start + entry.range.start..data_start + entry.range.end;
            let dtype = entry.dtype;
            tensors.insert((node, role), Tensor { dtype, range });
        }
    }
    match by_name.into_keys().next() {
        Some(name) => Err(Error::UnknownTensor(name)),
        None => Ok(tensors),
    }
}

fn expand(halves: &[u16], out: &mut [f32]) {
    for (value, &bits) in out.iter_mut().zip(halves) {
        *value = from_f16(bits);
    }
}
