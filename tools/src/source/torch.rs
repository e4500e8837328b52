//! PyTorch checkpoints: a pickle that refers to raw storages, in a zip archive (since PyTorch 1.6)
//! or in one stream.

use std::collections::HashMap;

use endocast_weights::half::from_f16;

use super::pickle::{self, Heap, TensorRef, Value};
use super::zip;
use crate::error::Error;
use crate::state::{StateDict, Tensor};

/// What the first pickle of a stream holds.
const STREAM_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// What the second pickle of a stream holds.
const STREAM_PROTOCOL: Value = Value::Int(1001);

/// Keys under which training programs put the network's tensors.
const WRAPPERS: [&str; 3] = ["model_state_dict", "state_dict", "model"];

/// Memory that the tensors may take, as a multiple of the file's length.
const MAX_EXPANSION: usize = 4;

/// Whether `file` starts as a zip archive does.
pub fn is_zip(file: &[u8]) -> bool {
    file.starts_with(b"PK\x03\x04")
}

/// Whether `file` starts as the stream form does.
pub fn is_stream(file: &[u8]) -> bool {
    file.starts_with(&[0x80, 2, 0x8a, 10]) && file[4..].starts_with(&STREAM_MAGIC)
}

/// Reads the zip form.
pub fn read_zip(file: &[u8]) -> Result<StateDict, Error> {
    let files = zip::read(file)?;
    let pickles: Vec<&str> = files
        .keys()
        .filter_map(|name| name.strip_suffix("/data.pkl"))
        .collect();
    let [folder] = pickles[..] else {
        return Err(Error::Torch(format!(
            "{} files are named data.pkl",
            pickles.len()
        )));
    };
    if files
        .get(format!("{folder}/byteorder").as_str())
        .is_some_and(|order| *order != b"little")
    {
        return Err(Error::Torch("the tensors are not little-endian".into()));
    }
    let (value, heap, _) = pickle::read(files[format!("{folder}/data.pkl").as_str()])?;
    let storage = |key: &str| files.get(format!("{folder}/data/{key}").as_str()).copied();
    state_dict(&value, &heap, storage, file.len())
}

/// Reads the stream form.
pub fn read_stream(file: &[u8]) -> Result<StateDict, Error> {
    let mut at = 0;
    let mut next = || {
        let (value, heap, len) = pickle::read(&file[at..])?;
        at += len;
        Ok::<_, Error>((value, heap))
    };
    next()?; // the magic number, which is_stream has seen
    if next()?.0 != STREAM_PROTOCOL {
        return Err(Error::Torch(
            "the stream has another version than 1001".into(),
        ));
    }
    next()?; // the writer's byte order and sizes; only little-endian machines run PyTorch
    let (value, heap) = next()?;
    let (keys, keys_heap) = next()?;
    let Value::List(keys) = keys else {
        return Err(Error::Torch("there is no list of storages".into()));
    };
    let sizes = storage_sizes(&heap);
    let mut storages = HashMap::new();
    for key in keys_heap.list(keys) {
        let Value::Str(key) = key else {
            return Err(Error::Torch("a storage's key is not text".into()));
        };
        let cut = || Error::Torch(format!("storage '{key}' is cut off"));
        let (prefix, rest) = file[at..].split_first_chunk().ok_or_else(cut)?;
        let elements = usize::try_from(u64::from_le_bytes(*prefix)).ok();
        let size = sizes.get(&**key).copied();
        let size =
            size.ok_or_else(|| Error::Torch(format!("storage '{key}' has no element type")))?;
        let len = elements
            .and_then(|count| count.checked_mul(size))
            .ok_or_else(cut)?;
        let bytes = rest.get(..len).ok_or_else(cut)?;
        if storages.insert(key.to_string(), bytes).is_some() {
            return Err(Error::Torch(format!("storage '{key}' is given twice")));
        }
        at += prefix.len() + len;
    }
    state_dict(&value, &heap, |key| storages.get(key).copied(), file.len())
}

/// Element sizes of all storages that a pickle mentions, by key.
fn storage_sizes(heap: &Heap) -> HashMap<&str, usize> {
    let ids = heap.storages();
    ids.filter_map(|id| Some((storage_key(id)?, Element::of(id)?.size())))
        .collect()
}

/// The tensors of a checkpoint whose pickle is `value`.
fn state_dict<'a>(
    value: &Value,
    heap: &Heap,
    storage: impl Fn(&str) -> Option<&'a [u8]>,
    file_len: usize,
) -> Result<StateDict, Error> {
    let Value::Dict(top) = *value else {
        return Err(Error::Torch(
            "the checkpoint is not a dictionary of tensors".into(),
        ));
    };
    let wrapped = heap
        .dict(top)
        .iter()
        .find_map(|(key, value)| match (key, value) {
            (Value::Str(key), &Value::Dict(index)) if WRAPPERS.contains(&&**key) => Some(index),
            _ => None,
        });
    let mut budget = file_len.saturating_mul(MAX_EXPANSION) / size_of::<f32>();
    let mut state = StateDict::new();
    for (key, value) in heap.dict(wrapped.unwrap_or(top)) {
        if let (Value::Str(name), Value::Tensor(tensor)) = (key, value) {
            let fail = |cause: String| Error::Tensor {
                name: name.to_string(),
                cause,
            };
            let tensor = materialize(tensor, &storage, &mut budget).map_err(fail)?;
            state.insert(name.to_string(), tensor);
        }
    }
    if state.is_empty() {
        return Err(Error::Torch(
            "the checkpoint is not a dictionary of tensors".into(),
        ));
    }
    Ok(state)
}

/// Copies a strided view out of its storage; at most `budget` elements, which shrinks.
fn materialize<'a>(
    tensor: &TensorRef,
    storage: impl Fn(&str) -> Option<&'a [u8]>,
    budget: &mut usize,
) -> Result<Tensor, String> {
    let key = storage_key(&tensor.storage).ok_or("its storage is described in an unknown way")?;
    let element = Element::of(&tensor.storage).ok_or("its element type is not supported")?;
    let bytes = storage(key).ok_or_else(|| format!("there is no storage '{key}'"))?;
    let count = tensor
        .shape
        .iter()
        .try_fold(1usize, |count, &edge| count.checked_mul(edge));
    let count = count.filter(|&count| count <= bytes.len() / element.size());
    let count = count.ok_or("it has more elements than its storage")?;
    *budget = budget
        .checked_sub(count)
        .ok_or("the tensors take far more memory than the file is long")?;
    // Last element that is touched; if the last is inside, so are all.
    let mut steps = tensor.shape.iter().zip(&tensor.strides);
    let last = steps.try_fold(tensor.offset, |last, (&edge, &stride)| {
        last.checked_add(edge.saturating_sub(1).checked_mul(stride)?)
    });
    if count > 0 && last.is_none_or(|last| last >= bytes.len() / element.size()) {
        return Err("it reaches beyond its storage".into());
    }
    let mut data = Vec::with_capacity(count);
    let mut index = vec![0; tensor.shape.len()];
    let mut at = tensor.offset;
    for _ in 0..count {
        data.push(element.read(&bytes[at * element.size()..]));
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            at += tensor.strides[axis];
            if index[axis] < tensor.shape[axis] {
                break;
            }
            at -= index[axis] * tensor.strides[axis];
            index[axis] = 0;
        }
    }
    Ok(Tensor {
        shape: tensor.shape.clone(),
        data,
    })
}

/// The key of a storage: the third of `("storage", type, key, location, elements)`, after which only
/// an absent view may follow.
fn storage_key(id: &[Value]) -> Option<&str> {
    match id {
        [
            Value::Str(tag),
            Value::Global(_),
            Value::Str(key),
            Value::Str(_),
            Value::Int(_),
            view @ ..,
        ] if **tag == *"storage" && matches!(view, [] | [Value::None]) => Some(key),
        _ => None,
    }
}

/// The type of a storage's elements.
#[derive(Clone, Copy)]
enum Element {
    F16,
    Bf16,
    F32,
    F64,
    U8,
    I8,
    I16,
    I32,
    I64,
}

impl Element {
    fn of(id: &[Value]) -> Option<Element> {
        let Some(Value::Global(class)) = id.get(1) else {
            return None;
        };
        Some(match &**class {
            "torch.HalfStorage" => Element::F16,
            "torch.BFloat16Storage" => Element::Bf16,
            "torch.FloatStorage" => Element::F32,
            "torch.DoubleStorage" => Element::F64,
            "torch.ByteStorage" | "torch.BoolStorage" => Element::U8,
            "torch.CharStorage" => Element::I8,
            "torch.ShortStorage" => Element::I16,
            "torch.IntStorage" => Element::I32,
            "torch.LongStorage" => Element::I64,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::F16 | Element::Bf16 | Element::I16 => 2,
            Element::F32 | Element::I32 => 4,
            Element::F64 | Element::I64 => 8,
        }
    }

    /// The first element of `bytes`, which must hold one.
    fn read(self, bytes: &[u8]) -> f32 {
        fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
            let mut element = [0; N];
            element.copy_from_slice(&bytes[..N]);
            element
        }
        match self {
            Element::F16 => from_f16(u16::from_le_bytes(first(bytes))),
            Element::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes(first(bytes))) << 16),
            Element::F32 => f32::from_le_bytes(first(bytes)),
            Element::F64 => f64::from_le_bytes(first(bytes)) as f32,
            Element::U8 => bytes[0].into(),
            Element::I8 => (bytes[0] as i8).into(),
            Element::I16 => i16::from_le_bytes(first(bytes)).into(),
            Element::I32 => i32::from_le_bytes(first(bytes)) as f32,
            Element::I64 => i64::from_le_bytes(first(bytes)) as f32,
        }
    }
}
