//! The writer: a graph and its logical tensors to the bytes of a model file.

use std::collections::{BTreeMap, HashMap};

use crate::bytes::ALIGNMENT;
use crate::error::Error;
use crate::graph::Graph;
use crate::half::to_f16;
use crate::header::{Dtype, Entry, Header};
use crate::model::{FORMAT_VERSION, Model, sha256_hex};
use crate::pack::{ConvLayout, pack_vector};
use crate::preprocessing::Preprocessing;
use crate::tensors::{Role, packed_shape, roles, tensor_name};

/// Precision in which the weights of convolutions are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    Single,
    /// 16 bits, for every convolution whose weights then still fill whole 64-byte lines.
    Half,
}

/// Collects a network's tensors and lays them out as a model file.
#[derive(Debug)]
pub struct ModelWriter {
    graph: Graph,
    metadata: BTreeMap<String, String>,
    precision: Precision,
    /// Packed tensors.
    tensors: HashMap<(usize, Role), Vec<f32>>,
}

impl ModelWriter {
    /// A writer for `graph`, as yet without tensors.
    pub fn new(name: &str, graph: Graph, preprocessing: &Preprocessing) -> ModelWriter {
        let metadata = [
            ("format", "endocast".into()),
            ("format_version", FORMAT_VERSION.into()),
            ("graph", graph.to_string()),
            ("name", name.into()),
            ("payload_sha256", String::new()),
            ("preprocessing", preprocessing.to_string()),
        ];
        ModelWriter {
            graph,
            metadata: metadata.map(|(key, value)| (key.into(), value)).into(),
            precision: Precision::Single,
            tensors: HashMap::new(),
        }
    }

    /// Sets the precision of convolution weights.
    pub fn precision(&mut self, precision: Precision) -> &mut ModelWriter {
        self.precision = precision;
        self
    }

    /// Adds a metadata entry, such as `source_sha256`, `license` or `tool`.
    ///
    /// # Errors
    /// The key is there already.
    pub fn metadata(&mut self, key: &str, value: &str) -> Result<&mut ModelWriter, Error> {
        match self.metadata.insert(key.into(), value.into()) {
            None => Ok(self),
            Some(_) => Err(Error::Duplicate(key.into())),
        }
    }

    /// Sets a tensor from its logical values: `[out, in, dz, dy, dx]` for weights, one number per
    /// channel for the others.
    ///
    /// # Errors
    /// The node has no tensor for this role, the length is wrong, or a value is not finite.
    pub fn tensor(
        &mut self,
        node: usize,
        role: Role,
        values: &[f32],
    ) -> Result<&mut ModelWriter, Error> {
        let found = self
            .graph
            .nodes()
            .get(node)
            .filter(|found| roles(&found.op).contains(&role));
        let Some(found) = found else {
            return Err(Error::UnknownTensor(format!("{node}.{}", role.word())));
        };
        let name = tensor_name(&self.graph, node, role);
        let layout = ConvLayout::of(&self.graph, node).filter(|_| role == Role::Weight);
        let expected = layout
            .as_ref()
            .map_or(found.channels, ConvLayout::logical_len);
        if values.len() != expected {
            return Err(Error::Shape {
                tensor: name,
                found: vec![values.len()],
                expected: vec![expected],
            });
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite(name));
        }
        let packed = layout.map_or_else(|| pack_vector(values), |layout| layout.pack(values));
        self.tensors.insert((node, role), packed);
        Ok(self)
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// A tensor is missing, a weight is too large for half precision, or the reader would refuse the
    /// result.
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let mut data = Vec::new();
        let mut entries = Vec::new();
        for (node, found) in self.graph.nodes().iter().enumerate() {
            for &role in roles(&found.op) {
                let name = tensor_name(&self.graph, node, role);
                let Some(values) = self.tensors.get(&(node, role)) else {
                    return Err(Error::MissingTensor(name));
                };
                let dtype = self.dtype(role, values.len());
                let start = data.len();
                append(&mut data, dtype, values).map_err(|()| Error::NotFinite(name.clone()))?;
                entries.push(Entry {
                    name,
                    dtype,
                    shape: packed_shape(&self.graph, node, role).unwrap_or_default(),
                    range: start..data.len(),
                });
            }
        }
        self.metadata
            .insert("payload_sha256".into(), sha256_hex(&data));
        let header = Header {
            metadata: self.metadata,
            tensors: entries,
            data_start: 0,
        };
        let mut bytes = header.to_bytes();
        bytes.append(&mut data);
        Model::from_bytes(&bytes)?;
        Ok(bytes)
    }

    fn dtype(&self, role: Role, len: usize) -> Dtype {
        let fills_lines = (len * Dtype::F16.size()).is_multiple_of(ALIGNMENT);
        if self.precision == Precision::Half && role == Role::Weight && fills_lines {
            Dtype::F16
        } else {
            Dtype::F32
        }
    }
}

/// Appends `values` in the given type; fails if one is too large for it.
fn append(data: &mut Vec<u8>, dtype: Dtype, values: &[f32]) -> Result<(), ()> {
    match dtype {
        Dtype::F32 => data.extend_from_slice(bytemuck::cast_slice(values)),
        Dtype::F16 => {
            for &value in values {
                let bits = to_f16(value);
                if bits & 0x7c00 == 0x7c00 {
                    return Err(());
                }
                data.extend_from_slice(&bits.to_le_bytes());
            }
        }
    }
    Ok(())
}
