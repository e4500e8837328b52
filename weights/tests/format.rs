//! Round trips, files that lie, and damaged files.

use std::io::Write;

use endocast_weights::half::{from_f16, to_f16};
use endocast_weights::pack::ConvLayout;
use endocast_weights::{Error, Graph, MAX_HEADER, Model, ModelWriter, Precision, Role};
use proptest::prelude::*;

const GRAPH: &str = "\
input image channels=1
conv first image out=3 kernel=3 stride=1 dilation=1
instance_norm norm first epsilon=1e-5
gelu act norm
affine skip first
concat both act skip
conv second both out=2 kernel=3 stride=1 dilation=1
sigmoid out second
";
const FIRST: usize = 1;
const NORM: usize = 2;
const SKIP: usize = 4;
const SECOND: usize = 6;
const PREPROCESSING: &str = "route=conform grid=96 field_of_view_mm=240 orientation=RAS \
    centre=mass:110 intensity=percentiles:1:99.5:inside outputs=brain,tissue threshold=0.5";

fn ramp(len: usize) -> Vec<f32> {
    (0..len).map(|i| i as f32 / 8.0 - 3.0).collect()
}

fn writer() -> ModelWriter {
    let graph = Graph::parse(GRAPH).unwrap();
    let mut writer = ModelWriter::new("tiny", graph, &PREPROCESSING.parse().unwrap());
    writer.metadata("license", "MIT").unwrap();
    for (node, role, len) in [
        (FIRST, Role::Weight, 3 * 27),
        (FIRST, Role::Bias, 3),
        (NORM, Role::Scale, 3),
        (NORM, Role::Shift, 3),
        (SKIP, Role::Scale, 3),
        (SKIP, Role::Shift, 3),
        (SECOND, Role::Weight, 2 * 6 * 27),
        (SECOND, Role::Bias, 2),
    ] {
        writer.tensor(node, role, &ramp(len)).unwrap();
    }
    writer
}

fn tiny() -> Vec<u8> {
    writer().finish().unwrap()
}

/// A file with another header text, padded anew.
fn with_header(edit: impl FnOnce(&str) -> String) -> Vec<u8> {
    let file = tiny();
    let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&file[8..8 + len]).unwrap();
    let mut edited = edit(header.trim_end());
    while !(8 + edited.len()).is_multiple_of(64) {
        edited.push(' ');
    }
    let mut result = (edited.len() as u64).to_le_bytes().to_vec();
    result.extend_from_slice(edited.as_bytes());
    result.extend_from_slice(&file[8 + len..]);
    result
}

fn replaced(from: &str, to: &str) -> Vec<u8> {
    with_header(|header| {
        assert!(header.contains(from), "{header}");
        header.replacen(from, to, 1)
    })
}

#[test]
fn tensors_come_back() {
    let model = Model::from_bytes(&tiny()).unwrap();
    assert_eq!(model.name(), "tiny");
    assert_eq!(model.metadata("license"), Some("MIT"));
    assert_eq!(model.graph().to_string(), GRAPH);
    assert_eq!(model.preprocessing().to_string(), PREPROCESSING);
    assert_eq!(model.tensor(NORM, Role::Scale).unwrap()[..3], ramp(3));
    assert_eq!(model.tensor(NORM, Role::Scale).unwrap()[3..], [0.0; 13]);
    let layout = ConvLayout::of(model.graph(), SECOND).unwrap();
    assert_eq!(layout.shape(), [1, 2, 27, 16, 16]);
    let packed = model.tensor(SECOND, Role::Weight).unwrap();
    assert_eq!(layout.unpack(&packed), ramp(2 * 6 * 27));
    assert!(packed.as_ptr().addr().is_multiple_of(64));
    assert!(model.tensor(SECOND, Role::Scale).is_none());
    assert!(model.tensor(99, Role::Scale).is_none());
    model.verify_payload().unwrap();
}

#[test]
fn half_precision_is_expanded() {
    let mut writer = writer();
    writer.precision(Precision::Half);
    let model = Model::from_bytes(&writer.finish().unwrap()).unwrap();
    let layout = ConvLayout::of(model.graph(), SECOND).unwrap();
    let packed = model.tensor(SECOND, Role::Weight).unwrap();
    assert!(packed.as_ptr().addr().is_multiple_of(64));
    let rounded: Vec<f32> = ramp(2 * 6 * 27)
        .iter()
        .map(|&v| from_f16(to_f16(v)))
        .collect();
    assert_eq!(layout.unpack(&packed), rounded);
    // 27 rows of 16 halves do not fill whole lines: these stay in single precision.
    assert_eq!(model.file_len() % 64, 0);
    let first = ConvLayout::of(model.graph(), FIRST).unwrap();
    assert_eq!(
        first.unpack(&model.tensor(FIRST, Role::Weight).unwrap()),
        ramp(3 * 27)
    );
}

#[test]
fn the_safetensors_crate_reads_the_same() {
    for precision in [Precision::Single, Precision::Half] {
        let mut writer = writer();
        writer.precision(precision);
        let file = writer.finish().unwrap();
        let (len, metadata) = safetensors::SafeTensors::read_metadata(&file).unwrap();
        assert_eq!((8 + len) % 64, 0);
        assert_eq!(metadata.metadata().as_ref().unwrap()["graph"], GRAPH);
        let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
        assert_eq!(tensors.len(), 8);
        let model = Model::from_bytes(&file).unwrap();
        let bias = tensors.tensor("second.bias").unwrap();
        let bytes: Vec<u8> = model
            .tensor(SECOND, Role::Bias)
            .unwrap()
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        assert_eq!(bias.data(), bytes);
        assert_eq!(bias.shape(), [16]);
    }
}

#[test]
fn files_are_read_or_mapped() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&tiny()).unwrap();
    let read = Model::open(file.path()).unwrap();
    assert_eq!(read.name(), "tiny");
    #[cfg(feature = "mmap")]
    {
        // SAFETY: nobody else knows the temporary file.
        let mapped = unsafe { Model::map(file.path()) }.unwrap();
        mapped.verify_payload().unwrap();
        assert_eq!(
            *mapped.tensor(SKIP, Role::Shift).unwrap(),
            *read.tensor(SKIP, Role::Shift).unwrap()
        );
    }
    assert!(matches!(
        Model::open(file.path().join("none")),
        Err(Error::Io(_))
    ));
}

#[test]
fn misaligned_static_bytes_are_copied() {
    let file = tiny();
    let mut shifted = vec![0; 1];
    shifted.extend_from_slice(&file);
    let shifted: &'static [u8] = shifted.leak();
    let model = Model::from_static(&shifted[1..]).unwrap();
    assert!(
        model
            .tensor(FIRST, Role::Weight)
            .unwrap()
            .as_ptr()
            .addr()
            .is_multiple_of(64)
    );
}

#[test]
fn writers_refuse_what_does_not_fit() {
    let mut short = writer();
    assert!(matches!(
        short.tensor(FIRST, Role::Weight, &[0.0]),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(
        short.tensor(FIRST, Role::Scale, &[0.0]),
        Err(Error::UnknownTensor(_))
    ));
    assert!(matches!(
        short.tensor(99, Role::Bias, &[0.0]),
        Err(Error::UnknownTensor(_))
    ));
    assert!(matches!(
        short.tensor(FIRST, Role::Bias, &[f32::NAN; 3]),
        Err(Error::NotFinite(_))
    ));
    assert!(matches!(
        short.metadata("license", "again"),
        Err(Error::Duplicate(_))
    ));
    short.precision(Precision::Half);
    short
        .tensor(SECOND, Role::Weight, &[1e6; 2 * 6 * 27])
        .unwrap();
    assert!(matches!(short.finish(), Err(Error::NotFinite(_))));

    let graph = Graph::parse(GRAPH).unwrap();
    let empty = ModelWriter::new("empty", graph, &PREPROCESSING.parse().unwrap());
    assert!(matches!(empty.finish(), Err(Error::MissingTensor(_))));
}

macro_rules! refused {
    ($($name:ident: $file:expr => $error:pat,)*) => {$(
        #[test]
        fn $name() {
            let error = Model::from_bytes(&$file).unwrap_err();
            assert!(matches!(error, $error), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    )*};
}

refused! {
    empty_file: [] => Error::Truncated { found: 0, needed: 8 },
    cut_header: tiny()[..100] => Error::Truncated { found: 100, .. },
    header_longer_than_allowed: {
        let mut file = tiny();
        file[..8].copy_from_slice(&(MAX_HEADER as u64 + 1).to_le_bytes());
        file
    } => Error::HeaderTooLong { .. },
    header_longer_than_any_memory: [0xff; 64] => Error::HeaderTooLong { found: u64::MAX, .. },
    data_off_the_line: {
        let mut file = tiny();
        let len = u64::from_le_bytes(file[..8].try_into().unwrap());
        file[..8].copy_from_slice(&(len + 8).to_le_bytes());
        for _ in 0..8 { file.insert(8 + len as usize, b' '); }
        file
    } => Error::HeaderMisaligned(_),
    header_is_no_object: with_header(|_| "[]".into()) => Error::Json { at: 0, .. },
    header_is_not_text: {
        let mut file = tiny();
        file[9] = 0xff;
        file
    } => Error::Json { at: 1, cause: "not UTF-8" },
    header_goes_on: with_header(|h| format!("{h} {{}}")) => Error::Json { .. },
    tensor_with_another_key: replaced("\"dtype\"", "\"colour\":[1],\"dtype\"") => Error::Json { .. },
    tensor_without_shape: replaced("\"shape\":[16],", "") => Error::Json { .. },
    negative_shape: replaced("\"shape\":[16]", "\"shape\":[-16]") => Error::Json { .. },
    three_offsets: replaced("\"data_offsets\":[0,", "\"data_offsets\":[0,0,") => Error::Json { .. },
    dtype_twice: replaced("\"dtype\":\"F32\"", "\"dtype\":\"F32\",\"dtype\":\"F32\"") => Error::Duplicate(_),
    tensor_twice: replaced("\"norm.scale\"", "\"norm.shift\"") => Error::Duplicate(_),
    metadata_twice: replaced("\"license\"", "\"name\"") => Error::Duplicate(_),
    two_metadata_objects: with_header(|h| h.replacen('{', "{\"__metadata__\":{},", 1)) => Error::Duplicate(_),
    no_metadata: with_header(|h| h.replace("__metadata__", "none")) => Error::Json { .. },
    no_format: replaced("\"format\"", "\"was\"") => Error::MissingMetadata("format"),
    no_graph: replaced("\"graph\"", "\"was\"") => Error::MissingMetadata("graph"),
    no_name: replaced("\"name\"", "\"was\"") => Error::MissingMetadata("name"),
    no_preprocessing: replaced("\"preprocessing\"", "\"was\"") => Error::MissingMetadata("preprocessing"),
    no_digest: replaced("\"payload_sha256\"", "\"was\"") => Error::MissingMetadata("payload_sha256"),
    other_format: replaced("\"endocast\"", "\"pt\"") => Error::ForeignFormat(_),
    later_version: replaced("\"1.0\"", "\"1.2\"") => Error::Version { .. },
    other_major: replaced("\"1.0\"", "\"2.0\"") => Error::Version { .. },
    version_in_words: replaced("\"1.0\"", "\"one\"") => Error::Version { .. },
    unknown_feature: replaced("\"license\":\"MIT\"", "\"requires\":\"int8,int4\"") => Error::Requires(_),
    payload_digest_too_short: replaced("\"payload_sha256\":\"", "\"payload_sha256\":\"\",\"x\":\"") => Error::MalformedDigest { key: "payload_sha256", .. },
    source_digest_in_words: replaced("\"license\":\"MIT\"", "\"source_sha256\":\"none\"") => Error::MalformedDigest { key: "source_sha256", .. },
    bad_graph: replaced("stride=1", "stride=5") => Error::Graph(_),
    bad_preprocessing: replaced("grid=96", "grid=0") => Error::Preprocessing(_),
    too_few_outputs: replaced("brain,tissue", "brain") => Error::Outputs { named: 1, channels: 2 },
    other_dtype: replaced("\"F32\"", "\"F64\"") => Error::Dtype { .. },
    overflowing_shape: replaced("\"shape\":[16]", "\"shape\":[4294967296,4294967296,4294967296]") => Error::TooLarge(_),
    shape_longer_than_range: replaced("\"shape\":[16]", "\"shape\":[32]") => Error::Length { .. },
    range_backwards: replaced("\"data_offsets\":[1728,1792]", "\"data_offsets\":[1792,1728]") => Error::Length { .. },
    overlap: replaced("\"data_offsets\":[1728,1792]", "\"data_offsets\":[1664,1728]") => Error::NotContiguous { .. },
    hole: replaced("\"data_offsets\":[0,1728]", "\"data_offsets\":[64,1792]") => Error::NotContiguous { .. },
    half_a_line: with_header(|_| r#"{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}"#.into())
        => Error::Misaligned(_),
    cut_data: { let file = tiny(); file[..file.len() - 1].to_vec() } => Error::DataLength { .. },
    trailing_data: { let mut file = tiny(); file.push(0); file } => Error::DataLength { .. },
    missing_tensor: replaced("\"skip.shift\"", "\"skip.shaft\"") => Error::MissingTensor(_),
    unknown_tensor: replaced("affine skip first", "leaky_relu skip first slope=0.5") => Error::UnknownTensor(_),
    other_shape: replaced("\"shape\":[1, 1, 27, 1, 16]", "\"shape\":[1, 1, 1, 27, 16]") => Error::Shape { .. },
    infinite_bias: {
        let mut file = tiny();
        let end = file.len();
        file[end - 64..end - 60].copy_from_slice(&f32::INFINITY.to_le_bytes());
        file
    } => Error::NotFinite(_),
}

#[test]
fn half_precision_is_for_weights_only() {
    // Two bias vectors' worth of bytes cannot be had by renaming, so the graph is made to match.
    let graph = "input image channels=1\nconv a image out=32 kernel=1 stride=1 dilation=1\n";
    let mut writer = ModelWriter::new(
        "half",
        Graph::parse(graph).unwrap(),
        &"route=brainmage-ma grid=16 outputs=OUT threshold=0.5"
            .replace(
                "OUT",
                &(0..32)
                    .map(|i| format!("o{i}"))
                    .collect::<Vec<_>>()
                    .join(","),
            )
            .parse()
            .unwrap(),
    );
    writer.tensor(1, Role::Weight, &[0.0; 32]).unwrap();
    writer.tensor(1, Role::Bias, &[0.0; 32]).unwrap();
    let file = writer.finish().unwrap();
    let text = String::from_utf8_lossy(&file).into_owned();
    let from = "\"a.bias\":{\"dtype\":\"F32\",\"shape\":[32],\"data_offsets\":[128,256]}";
    let to = "\"a.bias\":{\"dtype\":\"F16\",\"shape\":[32],\"data_offsets\":[128,192]}";
    assert!(text.contains(from));
    let mut edited = text.replace(from, to).into_bytes();
    edited.truncate(file.len() - 64);
    assert!(matches!(
        Model::from_bytes(&edited),
        Err(Error::Dtype { .. })
    ));
}

#[test]
fn a_changed_weight_is_found_on_request() {
    let mut file = tiny();
    let len = file.len();
    file[len - 1000] ^= 1;
    let model = Model::from_bytes(&file).unwrap();
    assert!(matches!(
        model.verify_payload(),
        Err(Error::PayloadDigest { .. })
    ));
}

proptest! {
    #[test]
    fn mutated_files_never_panic(edits in proptest::collection::vec((0usize..2048, any::<u8>()), 1..8)) {
        let mut file = tiny();
        for (at, byte) in edits {
            let len = file.len();
            file[at % len] = byte;
        }
        if let Ok(model) = Model::from_bytes(&file) {
            let _ = model.verify_payload();
            for node in 0..model.graph().nodes().len() {
                for role in [Role::Weight, Role::Bias, Role::Scale, Role::Shift] {
                    let _ = model.tensor(node, role).map(|values| values.len());
                }
            }
        }
    }

    #[test]
    fn spliced_headers_never_panic(from in 0usize..1800, to in 0usize..1800, len in 0usize..64) {
        let file = with_header(|header| {
            let cut = |at: usize| (0..=at.min(header.len())).rev().find(|&i| header.is_char_boundary(i)).unwrap();
            let piece = &header[cut(from)..cut(from + len)];
            format!("{}{}{}", &header[..cut(to)], piece, &header[cut(to)..])
        });
        let _ = Model::from_bytes(&file);
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let mut file = (bytes.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(&bytes);
        let _ = Model::from_bytes(&file);
        let _ = Graph::parse(&String::from_utf8_lossy(&bytes));
    }
}
