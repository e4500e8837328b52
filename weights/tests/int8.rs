//! Models with 8-bit weights: round trips, and files that lie about them.

use endocast_weights::pack::ConvLayout;
use endocast_weights::{Error, Graph, Model, ModelWriter, Precision, Quantisation, Role};
use proptest::prelude::*;

/// The image and a concatenation are quantised; the last convolution is not.
const GRAPH: &str = "\
input image channels=1
quantize image.q image scale=4e-3 zero=0
conv first image.q out=20 kernel=3 stride=1 dilation=1
conv other first out=3 kernel=1 stride=1 dilation=1
concat both first other
leaky_relu both.act both slope=0.01
quantize both.q both.act scale=2.5e-2 zero=9
conv second both.q out=2 kernel=1 stride=1 dilation=1
conv last second out=1 kernel=1 stride=1 dilation=1
";
const FIRST: usize = 2;
const OTHER: usize = 3;
const SECOND: usize = 7;
const LAST: usize = 8;
const PREPROCESSING: &str = "route=brainmage-ma grid=16 outputs=brain threshold=0.5";

/// Weights of which no two break the rule.
fn weights(len: usize) -> Vec<i8> {
    (0..len)
        .map(|i| ((i * 37 % 129) as i16 - 64) as i8)
        .collect()
}

fn ramp(len: usize) -> Vec<f32> {
    (1..=len).map(|i| i as f32 / 8.0).collect()
}

fn writer() -> ModelWriter {
    let graph = Graph::parse(GRAPH).unwrap();
    let mut writer = ModelWriter::new("mixed", graph, &PREPROCESSING.parse().unwrap());
    writer.int8_weights(FIRST, &weights(20 * 27)).unwrap();
    writer.int8_weights(SECOND, &weights(2 * 23)).unwrap();
    for (node, role, len) in [
        (FIRST, Role::Scale, 20),
        (FIRST, Role::Bias, 20),
        (OTHER, Role::Weight, 3 * 20),
        (OTHER, Role::Bias, 3),
        (SECOND, Role::Scale, 2),
        (SECOND, Role::Bias, 2),
        (LAST, Role::Weight, 2),
        (LAST, Role::Bias, 1),
    ] {
        writer.tensor(node, role, &ramp(len)).unwrap();
    }
    writer
}

fn mixed() -> Vec<u8> {
    writer().finish().unwrap()
}

/// Where the tensor `name` begins in the file.
fn start_of(file: &[u8], name: &str) -> usize {
    let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&file[8..8 + len]).unwrap();
    let entry = header.split_once(&format!("\"{name}\":")).unwrap().1;
    let offset = entry.split_once("\"data_offsets\":[").unwrap().1;
    8 + len + offset.split_once(',').unwrap().0.parse::<usize>().unwrap()
}

/// A file with `bytes` at byte `at` of the tensor `name`.
fn patched(name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = mixed();
    let start = start_of(&file, name) + at;
    file[start..start + bytes.len()].copy_from_slice(bytes);
    file
}

/// A file whose header has a word replaced by another of the same length.
fn replaced(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut file = mixed();
    let at = file.windows(from.len()).position(|w| w == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {from}"));
    file[at..at + to.len()].copy_from_slice(to.as_bytes());
    file
}

fn refusal(file: &[u8]) -> Error {
    Model::from_bytes(file).unwrap_err()
}

#[test]
fn tensors_come_back() {
    let model = Model::from_bytes(&mixed()).unwrap();
    assert_eq!(model.metadata("format_version"), Some("1.1"));
    assert_eq!(model.metadata("requires"), Some("int8"));
    assert_eq!(model.graph().to_string(), GRAPH);
    let (scale, zero) = (2.5e-2, 9);
    let quantisation = model.graph().quantisation(SECOND);
    assert_eq!(quantisation, Some(Quantisation { scale, zero }));
    assert_eq!(model.graph().quantisation(OTHER), None);
    for (node, shape, len) in [
        (FIRST, [2, 1, 27, 1, 16, 4], 20 * 27),
        (SECOND, [1, 3, 1, 4, 16, 4], 2 * 23),
    ] {
        let layout = ConvLayout::of(model.graph(), node).unwrap();
        assert_eq!(layout.shape(), shape);
        let packed = model.int8_weights(node).unwrap();
        assert!(packed.as_ptr().addr().is_multiple_of(64));
        assert_eq!(layout.unpack(packed), weights(len));
        assert!(model.tensor(node, Role::Weight).is_none());
    }
    assert_eq!(model.tensor(FIRST, Role::Scale).unwrap()[..20], ramp(20));
    assert!(model.int8_weights(OTHER).is_none());
    assert!(model.int8_weights(99).is_none());
    assert_eq!(model.tensor(OTHER, Role::Weight).unwrap().len(), 2 * 256);
    model.verify_payload().unwrap();
}

#[test]
fn half_precision_is_for_the_other_convolutions() {
    let mut writer = writer();
    writer.precision(Precision::Half);
    let file = writer.finish().unwrap();
    let text = String::from_utf8_lossy(&file);
    assert!(text.contains("\"other.weight\":{\"dtype\":\"F16\""));
    assert!(text.contains("\"first.weight\":{\"dtype\":\"I8\""));
    assert!(text.contains("\"first.scale\":{\"dtype\":\"F32\""));
}

#[test]
fn models_without_quantised_values_stay_at_the_first_version() {
    let graph = "input image channels=1\nconv a image out=1 kernel=1 stride=1 dilation=1\n";
    let graph = Graph::parse(graph).unwrap();
    let mut writer = ModelWriter::new("single", graph, &PREPROCESSING.parse().unwrap());
    writer.tensor(1, Role::Weight, &[1.0]).unwrap();
    writer.tensor(1, Role::Bias, &[0.0]).unwrap();
    assert!(matches!(
        writer.int8_weights(1, &[1]),
        Err(Error::UnknownTensor(_))
    ));
    let model = Model::from_bytes(&writer.finish().unwrap()).unwrap();
    assert_eq!(model.metadata("format_version"), Some("1.0"));
    assert_eq!(model.metadata("requires"), None);
}

#[test]
fn the_safetensors_crate_reads_the_same() {
    let file = mixed();
    let model = Model::from_bytes(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let weight = tensors.tensor("second.weight").unwrap();
    assert_eq!(weight.dtype(), safetensors::Dtype::I8);
    let bytes: Vec<i8> = weight.data().iter().map(|&byte| byte as i8).collect();
    assert_eq!(Some(&bytes[..]), model.int8_weights(SECOND));
}

#[test]
fn writers_refuse_what_does_not_fit() {
    let mut writer = writer();
    for result in [
        writer.int8_weights(FIRST, &[0]).map(drop),
        writer.tensor(SECOND, Role::Scale, &[1.0]).map(drop),
    ] {
        assert!(matches!(result, Err(Error::Shape { .. })), "{result:?}");
    }
    for result in [
        writer.int8_weights(OTHER, &[0; 60]).map(drop),
        writer.int8_weights(99, &[]).map(drop),
        writer.tensor(SECOND, Role::Weight, &[0.0; 46]).map(drop),
        writer.tensor(OTHER, Role::Scale, &[1.0; 3]).map(drop),
    ] {
        assert!(matches!(result, Err(Error::UnknownTensor(_))), "{result:?}");
    }
    let result = writer.int8_weights(SECOND, &[127; 46]).map(drop);
    assert!(matches!(result, Err(Error::Int8 { .. })), "{result:?}");
    writer.tensor(SECOND, Role::Scale, &[1.0, 0.0]).unwrap();
    assert!(matches!(writer.finish(), Err(Error::NotPositive(_))));
}

#[test]
fn a_pair_that_would_saturate_is_refused() {
    // The first line of `first.weight` holds 16 times one weight and three paddings.
    let error = refusal(&patched("first.weight", 0, &[0x80]));
    assert!(matches!(&error, Error::Int8 { tensor, .. } if tensor == "first.weight"));
    for pair in [[127, 2], [2, 127], [0xfe, 0x81], [0x81, 0xfe]] {
        let error = refusal(&patched("second.weight", 0, &pair));
        assert!(matches!(&error, Error::Int8 { tensor, .. } if tensor == "second.weight"));
        assert!(error.to_string().contains("pair"), "{error}");
    }
    Model::from_bytes(&patched("second.weight", 0, &[127, 1])).unwrap();
    Model::from_bytes(&patched("second.weight", 0, &[0x81, 127])).unwrap();
}

#[test]
fn padding_must_be_zero() {
    let channel = refusal(&patched("first.weight", 1, &[1]));
    // Output 20 of 20: the fifth lane of the second block.
    let output = refusal(&patched("first.weight", (27 * 16 + 4) * 4, &[1]));
    for error in [channel, output] {
        assert!(error.to_string().contains("padding"), "{error}");
    }
}

#[test]
fn scales_must_be_finite_and_positive() {
    for (value, positive) in [
        (0.0, false),
        (-1.0, false),
        (f32::INFINITY, true),
        (f32::NAN, true),
    ] {
        let error = refusal(&patched("first.scale", 4, &value.to_le_bytes()));
        match error {
            Error::NotPositive(name) => assert!(!positive && name == "first.scale"),
            Error::NotFinite(name) => assert!(positive && name == "first.scale"),
            _ => panic!("{error}"),
        }
    }
}

#[test]
fn the_feature_must_be_announced() {
    let error = refusal(&replaced("\"requires\"", "\"Requires\""));
    assert!(matches!(error, Error::Unannounced("int8")), "{error}");
    let error = refusal(&replaced("\"int8\"", "\"int9\""));
    assert!(matches!(error, Error::Requires(_)), "{error}");
}

#[test]
fn element_types_go_with_the_graph() {
    let single = "\"other.bias\":{\"dtype\":\"F32\",\"shape\":[16]";
    let int8 = "\"other.bias\":{\"dtype\":\"I8\",\"shape\":[64] ";
    assert!(matches!(
        refusal(&replaced(single, int8)),
        Error::Shape { .. }
    ));
    let int8 = "\"first.weight\":{\"dtype\":\"I8\",\"shape\":[2, 1, 27, 1, 16, 4]";
    let half = "\"first.weight\":{\"dtype\":\"F16\",\"shape\":[1,1, 27, 1, 16, 4]";
    assert!(matches!(
        refusal(&replaced(int8, half)),
        Error::Shape { .. }
    ));
}

proptest! {
    #[test]
    fn mutated_files_never_panic(edits in proptest::collection::vec((0usize..4096, any::<u8>()), 1..8)) {
        let mut file = mixed();
        for (at, byte) in edits {
            let len = file.len();
            file[at % len] = byte;
        }
        if let Ok(model) = Model::from_bytes(&file) {
            for node in 0..model.graph().nodes().len() {
                let layout = ConvLayout::of(model.graph(), node);
                if let (Some(weights), Some(layout)) = (model.int8_weights(node), layout) {
                    prop_assert_eq!(layout.check_int8(weights), Ok(()));
                }
            }
        }
    }
}
