//! The header of a safetensors file, under the stricter rules of a model file.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::bytes::ALIGNMENT;
use crate::error::Error;
use crate::json::{Parser, write_string};

/// Longest header that is read, in bytes.
pub const MAX_HEADER: usize = 4 << 20;

/// Bytes in front of the header: its length.
pub const PREFIX: usize = 8;

/// Type of a tensor's elements, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F16,
    I8,
}

impl Dtype {
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 => 2,
            Dtype::I8 => 1,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::I8 => "I8",
        }
    }
}

/// One tensor of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Where its bytes are in the data section.
    pub range: Range<usize>,
}

/// Everything in front of the data section.
#[derive(Debug, Default)]
pub struct Header {
    pub metadata: BTreeMap<String, String>,
    /// In the order of the data section.
    pub tensors: Vec<Entry>,
    /// Where the data section starts in the file.
    pub data_start: usize,
}

impl Header {
    /// Reads and checks the header of a file of which `file` is all.
    pub fn parse(file: &[u8]) -> Result<Header, Error> {
        let truncated = |needed| Error::Truncated {
            found: file.len(),
            needed,
        };
        let (prefix, rest) = file.split_first_chunk().ok_or_else(|| truncated(PREFIX))?;
        let announced = u64::from_le_bytes(*prefix);
        let len = usize::try_from(announced)
            .ok()
            .filter(|&len| len <= MAX_HEADER);
        let len = len.ok_or(Error::HeaderTooLong {
            found: announced,
            max: MAX_HEADER,
        })?;
        let data_start = PREFIX + len;
        let text = rest.get(..len).ok_or_else(|| truncated(data_start))?;
        if !data_start.is_multiple_of(ALIGNMENT) {
            return Err(Error::HeaderMisaligned(data_start));
        }
        let text = std::str::from_utf8(text).map_err(|error| Error::Json {
            at: error.valid_up_to(),
            cause: "not UTF-8",
        })?;
        let mut header = parse_json(text)?;
        header.data_start = data_start;
        header.check_ranges(file.len() - data_start)?;
        Ok(header)
    }

    /// Checks that the tensors fill the data section without holes or overlaps, on 64-byte lines.
    fn check_ranges(&mut self, data_len: usize) -> Result<(), Error> {
        self.tensors
            .sort_by_key(|entry| (entry.range.start, entry.range.end));
        let mut expected = 0;
        for entry in &self.tensors {
            let tensor = || entry.name.clone();
            let bytes = entry
                .shape
                .iter()
                .try_fold(entry.dtype.size(), |size, &edge| size.checked_mul(edge))
                .ok_or_else(|| Error::TooLarge(tensor()))?;
            let found = entry.range.end.saturating_sub(entry.range.start);
            if found != bytes || entry.range.end < entry.range.start {
                return Err(Error::Length {
                    tensor: tensor(),
                    found,
                    expected: bytes,
                });
            }
            if entry.range.start != expected {
                return Err(Error::NotContiguous {
                    tensor: tensor(),
                    found: entry.range.start,
                    expected,
                });
            }
            if !bytes.is_multiple_of(ALIGNMENT) {
                return Err(Error::Misaligned(tensor()));
            }
            expected = entry.range.end;
        }
        if expected != data_len {
            return Err(Error::DataLength {
                found: data_len,
                expected,
            });
        }
        Ok(())
    }

    /// The file's bytes in front of the data section.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut json = String::from("{\"__metadata__\":{");
        for (index, (key, value)) in self.metadata.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            write_string(&mut json, key);
            json.push(':');
            write_string(&mut json, value);
        }
        json.push('}');
        for entry in &self.tensors {
            json.push(',');
            write_string(&mut json, &entry.name);
            json.push_str(&format!(
                ":{{\"dtype\":\"{}\",\"shape\":{:?},\"data_offsets\":[{},{}]}}",
                entry.dtype.word(),
                entry.shape,
                entry.range.start,
                entry.range.end
            ));
        }
        json.push('}');
        while !(PREFIX + json.len()).is_multiple_of(ALIGNMENT) {
            json.push(' ');
        }
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes
    }
}

fn parse_json(text: &str) -> Result<Header, Error> {
    let mut metadata = None;
    let mut tensors: BTreeMap<String, Entry> = BTreeMap::new();
    let mut parser = Parser::new(text);
    parser.object(|parser, name| {
        if name == "__metadata__" {
            let pairs = parse_metadata(parser)?;
            if metadata.replace(pairs).is_some() {
                return Err(Error::Duplicate(name));
            }
        } else {
            let entry = parse_entry(parser, &name)?;
            if tensors.insert(name.clone(), entry).is_some() {
                return Err(Error::Duplicate(name));
            }
        }
        Ok(())
    })?;
    parser.end()?;
    Ok(Header {
        metadata: metadata.unwrap_or_default(),
        tensors: tensors.into_values().collect(),
        data_start: 0,
    })
}

fn parse_metadata(parser: &mut Parser) -> Result<BTreeMap<String, String>, Error> {
    let mut metadata = BTreeMap::new();
    parser.object(|parser, key| {
        let value = parser.string()?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(Error::Duplicate(key));
        }
        Ok(())
    })?;
    Ok(metadata)
}

fn parse_entry(parser: &mut Parser, name: &str) -> Result<Entry, Error> {
    let (mut dtype, mut shape, mut offsets) = (None, None, None);
    parser.object(|parser, key| {
        let repeated = match key.as_str() {
            "dtype" => dtype.replace(parser.string()?).is_some(),
            "shape" => shape.replace(parser.numbers()?).is_some(),
            "data_offsets" => offsets.replace(parser.numbers()?).is_some(),
            _ => return parser.fail("a tensor has dtype, shape and data_offsets, nothing else"),
        };
        if repeated {
            return Err(Error::Duplicate(format!("{name}/{key}")));
        }
        Ok(())
    })?;
    let (Some(dtype), Some(shape), Some(offsets)) = (dtype, shape, offsets) else {
        return parser.fail("a tensor needs dtype, shape and data_offsets");
    };
    let [start, end] = offsets[..] else {
        return parser.fail("data_offsets are two numbers");
    };
    let dtype = match dtype.as_str() {
        "F32" => Dtype::F32,
        "F16" => Dtype::F16,
        "I8" => Dtype::I8,
        _ => {
            return Err(Error::Dtype {
                tensor: name.into(),
                found: dtype,
            });
        }
    };
    Ok(Entry {
        name: name.into(),
        dtype,
        shape,
        range: start..end,
    })
}
