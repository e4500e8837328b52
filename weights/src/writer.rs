//! The writer: a graph and its logical tensors to the bytes of a model file.

use std::collections::{BTreeMap, HashMap};

use crate::bytes::ALIGNMENT;
use crate::error::Error;
use crate::graph::Graph;
use crate::half::to_f16;
use crate::header::{Dtype, Entry, Header};
use crate::model::{FORMAT_VERSION, INT8, Model};
use crate::pack::{ConvLayout, pack_vector};
use crate::preprocessing::Preprocessing;
use crate::sha256::sha256_hex;
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
    tensors: HashMap<(usize, Role), Packed>,
}

/// The numbers of a packed tensor.
#[derive(Debug)]
enum Packed {
    Single(Vec<f32>),
    Int8(Vec<i8>),
}

impl ModelWriter {
    /// A writer for `graph`, as yet without tensors.
    pub fn new(name: &str, graph: Graph, preprocessing: &Preprocessing) -> ModelWriter {
        let quantised = graph.is_quantised();
        // The earliest version that has what the model needs, for the sake of older readers.
        let version = if quantised { FORMAT_VERSION } else { "1.0" };
        let metadata = [
            ("format", "endocast".into()),
            ("format_version", version.into()),
            ("graph", graph.to_string()),
            ("name", name.into()),
            ("payload_sha256", String::new()),
            ("preprocessing", preprocessing.to_string()),
        ];
        let mut metadata: BTreeMap<_, _> = metadata
            .map(|(key, value): (&str, String)| (key.into(), value))
            .into();
        if quantised {
            metadata.insert("requires".into(), INT8.into());
        }
        ModelWriter {
            graph,
            metadata,
            precision: Precision::Single,
            tensors: HashMap::new(),
        }
    }

    /// Sets the precision of convolution weights other than 8-bit ones.
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
    /// The node has no tensor in floating point for this role, the length is wrong, or a value is not
    /// finite.
    pub fn tensor(
        &mut self,
        node: usize,
        role: Role,
        values: &[f32],
    ) -> Result<&mut ModelWriter, Error> {
        let layout = ConvLayout::of(&self.graph, node).filter(|_| role == Role::Weight);
        let int8 = self.graph.quantisation(node).is_some() && role == Role::Weight;
        if int8 || !roles(&self.graph, node).contains(&role) {
            return Err(Error::UnknownTensor(format!("{node}.{}", role.word())));
        }
        let channels = self.graph.nodes()[node].channels;
        let expected = layout.as_ref().map_or(channels, ConvLayout::logical_len);
        self.check_len(node, role, values.len(), expected)?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite(tensor_name(&self.graph, node, role)));
        }
        let packed = layout.map_or_else(|| pack_vector(values), |layout| layout.pack(values));
        self.tensors.insert((node, role), Packed::Single(packed));
        Ok(self)
    }

    /// Sets the weights `[out, in, dz, dy, dx]` of an int8 convolution.
    ///
    /// # Errors
    /// The node is no int8 convolution, the length is wrong, or the weights break
    /// [`MAX_PAIR_SUM`](crate::pack::MAX_PAIR_SUM).
    pub fn int8_weights(&mut self, node: usize, values: &[i8]) -> Result<&mut ModelWriter, Error> {
        let role = Role::Weight;
        let layout = ConvLayout::of(&self.graph, node);
        let layout = layout.filter(|_| self.graph.quantisation(node).is_some());
        let layout =
            layout.ok_or_else(|| Error::UnknownTensor(format!("{node}.{}", role.word())))?;
        self.check_len(node, role, values.len(), layout.logical_len())?;
        let packed = layout.pack(values);
        layout.check_int8(&packed).map_err(|cause| Error::Int8 {
            tensor: tensor_name(&self.graph, node, role),
            cause,
        })?;
        self.tensors.insert((node, role), Packed::Int8(packed));
        Ok(self)
    }

    fn check_len(
        &self,
        node: usize,
        role: Role,
        found: usize,
        expected: usize,
    ) -> Result<(), Error> {
        if found == expected {
            return Ok(());
        }
        Err(Error::Shape {
            tensor: tensor_name(&self.graph, node, role),
            found: vec![found],
            expected: vec![expected],
        })
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// A tensor is missing, a weight is too large for half precision, or the reader would refuse the
    /// result.
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let mut data = Vec::new();
        let mut entries = Vec::new();
        for node in 0..self.graph.nodes().len() {
            for &role in roles(&self.graph, node) {
                let name = tensor_name(&self.graph, node, role);
                let Some(packed) = self.tensors.get(&(node, role)) else {
                    return Err(Error::MissingTensor(name));
                };
                let start = data.len();
                let dtype = match packed {
                    Packed::Single(values) => {
                        let dtype = self.dtype(role, values.len());
                        append(&mut data, dtype, values)
                            .map_err(|()| Error::NotFinite(name.clone()))?;
                        dtype
                    }
                    Packed::Int8(values) => {
                        data.extend_from_slice(bytemuck::cast_slice(values));
                        Dtype::I8
                    }
                };
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

/// Appends `values` in half precision if `dtype` is that, in single precision otherwise; fails if one
/// is too large.
fn append(data: &mut Vec<u8>, dtype: Dtype, values: &[f32]) -> Result<(), ()> {
    if dtype != Dtype::F16 {
        data.extend_from_slice(bytemuck::cast_slice(values));
        return Ok(());
    }
    for &value in values {
        let bits = to_f16(value);
        if bits & 0x7c00 == 0x7c00 {
            return Err(());
        }
        data.extend_from_slice(&bits.to_le_bytes());
    }
    Ok(())
}
