//! safetensors files, of any writer.

use endocast_weights::half::from_f16;
use safetensors::{Dtype, SafeTensors};

use crate::error::Error;
use crate::state::{StateDict, Tensor};

/// Whether `file` starts as a safetensors file does: a length, then an object.
pub fn is_safetensors(file: &[u8]) -> bool {
    file.get(8) == Some(&b'{')
}

/// Reads all tensors of floating point and of 64-bit integers.
pub fn read(file: &[u8]) -> Result<StateDict, Error> {
    let mut state = StateDict::new();
    for (name, view) in SafeTensors::deserialize(file)?.iter() {
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => elements(bytes, f32::from_le_bytes),
            Dtype::F64 => elements(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::I64 => elements(bytes, |bytes| i64::from_le_bytes(bytes) as f32),
            Dtype::F16 => elements(bytes, |bytes| from_f16(u16::from_le_bytes(bytes))),
            Dtype::BF16 => elements(bytes, |bytes: [u8; 2]| {
                f32::from_le_bytes([0, 0, bytes[0], bytes[1]])
            }),
            other => {
                return Err(Error::Tensor {
                    name: name.into(),
                    cause: format!("element type {other:?} is not supported"),
                });
            }
        };
        let shape = view.shape().to_vec();
        state.insert(name.into(), Tensor { shape, data });
    }
    Ok(state)
}

fn elements<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&element| read(element))
        .collect()
}
