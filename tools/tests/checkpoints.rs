//! Checkpoints that PyTorch wrote (see `py/make_checkpoints.py`), and damaged ones.

use std::fs;
use std::path::{Path, PathBuf};

use endocast_tools::{Error, Network, Options, StateDict, Tensor, convert, source, synthetic};
use endocast_weights::half::{from_f16, to_f16};
use endocast_weights::{Model, Precision};
use proptest::prelude::*;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/checkpoints")
        .join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn ramp(indices: impl IntoIterator<Item = usize>) -> Vec<f32> {
    indices.into_iter().map(|i| i as f32 / 4.0 - 2.0).collect()
}

#[test]
fn tensors_of_all_kinds() {
    for name in ["tensors-zip.pt", "tensors-stream.pt"] {
        let state = source::read(&path(name)).unwrap().state;
        let expect = |name: &str, shape: &[usize], data: Vec<f32>| {
            let shape = shape.to_vec();
            assert_eq!(state[name], Tensor { shape, data }, "{name}");
        };
        expect("f32", &[2, 3, 4], ramp(0..24));
        for name in ["f16", "bf16", "f64"] {
            expect(name, &[5], ramp(0..5));
        }
        expect("i64", &[], vec![-3.0]);
        let columns = (0..6).flat_map(|column| (0..4).map(move |row| row * 6 + column));
        expect("transposed", &[6, 4], ramp(columns));
        expect("window", &[2, 3], ramp([8, 9, 10, 14, 15, 16]));
        expect("parameter", &[2], ramp(0..2));
        expect("empty", &[0, 3], vec![]);
        assert_eq!(state.len(), 9);
    }
}

#[test]
fn nothing_in_a_checkpoint_is_run() {
    let state = source::read(&path("malicious.pt")).unwrap().state;
    assert_eq!(state.keys().collect::<Vec<_>>(), ["weight"]);
}

/// A synthetic state dict, rounded to half precision.
fn halved(mut state: StateDict) -> StateDict {
    for tensor in state.values_mut() {
        tensor
            .data
            .iter_mut()
            .for_each(|value| *value = from_f16(to_f16(*value)));
    }
    state
}

#[test]
fn a_lightning_checkpoint_is_converted() {
    let state = source::read(&path("lightning-half.ckpt")).unwrap().state;
    let mut expected = StateDict::new();
    for (name, tensor) in halved(synthetic::resunet(1, 1, 1)) {
        expected.insert(format!("model.{name}"), tensor);
    }
    assert_eq!(state, expected);

    let converted = convert(&path("lightning-half.ckpt"), &Options::default()).unwrap();
    let model = Model::from_bytes(&converted.bytes).unwrap();
    assert_eq!(model.name(), "resunet");
    assert_eq!(
        model.metadata("source_sha256"),
        Some(converted.source_sha256.as_str())
    );
    assert_eq!(
        model.preprocessing().to_string(),
        "route=brainmage-ma grid=128 outputs=brain threshold=0.9"
    );
    model.verify_payload().unwrap();
}

#[test]
fn a_safetensors_meshnet_is_converted() {
    let state = source::read(&path("meshnet.safetensors")).unwrap().state;
    assert_eq!(state, synthetic::meshnet(5, 3));
    let options = Options {
        name: Some("small".into()),
        license: Some("MIT".into()),
        precision: Precision::Half,
        ..Options::default()
    };
    let converted = convert(&path("meshnet.safetensors"), &options).unwrap();
    assert!(converted.notes.is_empty());
    let model = Model::from_bytes(&converted.bytes).unwrap();
    assert_eq!(
        (model.name(), model.metadata("license")),
        ("small", Some("MIT"))
    );
    let network = Network::from_model(&model);
    let node = network.graph.find("conv_1").unwrap();
    let weights = network.tensor(node, endocast_weights::Role::Weight);
    let expected = halved(synthetic::meshnet(5, 3))
        .remove("model.3.weight")
        .unwrap();
    assert_eq!(
        weights,
        expected
            .data
            .iter()
            .map(|&v| f64::from(v))
            .collect::<Vec<_>>()
    );
}

/// What a checkpoint with these tensors is refused with.
fn refusal(state: StateDict) -> String {
    let checkpoint = source::Checkpoint {
        state,
        sha256: "0".repeat(64),
    };
    let converted = endocast_tools::convert_checkpoint(checkpoint, &Options::default());
    converted.unwrap_err().to_string()
}

#[test]
fn wrong_tensors_are_listed() {
    let mut state = synthetic::resunet(1, 1, 1);
    state.remove("en_2.in_1.running_var");
    state.insert(
        "extra.weight".into(),
        synthetic::tensor("extra.weight", &[1]),
    );
    state.insert(
        "us_1.conv0.bias".into(),
        synthetic::tensor("us_1.conv0.bias", &[3]),
    );
    state.get_mut("out.in_3.running_var").unwrap().data[0] = -1.0;
    state.get_mut("ins.conv0.weight").unwrap().data[0] = f32::NAN;
    let message = refusal(state);
    for line in [
        "not those of a resunet",
        "'en_2.in_1.running_var' [4] is missing",
        "'extra.weight' is not part of it",
        "'us_1.conv0.bias' has shape [3] instead of [2]",
        "'out.in_3.running_var' holds a negative variance",
        "'ins.conv0.weight' holds a value that is not finite",
    ] {
        assert!(message.contains(line), "{line}: {message}");
    }

    let mut state = synthetic::meshnet(6, 2);
    assert!(refusal(state.clone()).contains("6 hidden layers"));
    state.insert(
        "seq_conv_argmax.weight".into(),
        synthetic::tensor("other.weight", &[2, 2, 1, 1, 1]),
    );
    assert!(refusal(state).contains("should be a copy"));

    let mut state = StateDict::new();
    state.insert("a".into(), synthetic::tensor("a", &[1]));
    assert!(refusal(state).contains("no known network"));
}

#[test]
fn absurd_widths_are_refused() {
    let empty = |shape: &[usize]| Tensor {
        shape: shape.to_vec(),
        data: Vec::new(),
    };
    let mut state = synthetic::resunet(1, 1, 1);
    state.insert("ins.conv0.weight".into(), empty(&[usize::MAX, 0]));
    refusal(state);
    let mut state = synthetic::meshnet(5, 2);
    state.insert("model.0.weight".into(), empty(&[usize::MAX, usize::MAX, 0]));
    refusal(state);
}

#[test]
fn files_of_other_kinds_are_refused() {
    for file in [
        &b""[..],
        b"PK",
        b"\x89PNG\r\n\x1a\n",
        b"hello world",
        &[0x80, 2],
    ] {
        assert!(
            matches!(source::parse(file), Err(Error::UnknownFormat)),
            "{file:?}"
        );
    }
    assert!(matches!(
        source::read(&path("none.pt")),
        Err(Error::Io { .. })
    ));
    assert!(matches!(source::parse(b"PK\x03\x04"), Err(Error::Zip(_))));
    let stream = bytes("tensors-stream.pt");
    for len in [20, 100, 1000, stream.len() - 1] {
        assert!(source::parse(&stream[..len]).is_err(), "{len}");
    }
}

/// The zip file with one piece of its pickle replaced by another of the same length.
fn doctored(from: &[u8], to: &[u8]) -> String {
    let mut file = bytes("tensors-zip.pt");
    let at = file
        .windows(from.len())
        .rposition(|window| window == from)
        .unwrap();
    file[at..at + to.len()].copy_from_slice(to);
    source::parse(&file).unwrap_err().to_string()
}

#[test]
fn tensors_that_lie_are_refused() {
    // f32 [2, 3, 4] with strides (12, 4, 1): BININT1 opcodes, then TUPLE3.
    let strides = b"K\x0cK\x04K\x01\x87";
    assert!(
        doctored(strides, b"K\x0dK\x04K\x01\x87").contains("'f32': it reaches beyond its storage")
    );
    assert!(
        doctored(b"K\x02K\x03K\x04\x87", b"K\xffK\xffK\xff\x87")
            .contains("more elements than its storage")
    );
    assert!(doctored(strides, b"K\x0cM\x04\x00N\x87").contains("strides are not whole numbers"));
    assert!(doctored(b"FloatStorage", b"FloutStorage").contains("element type is not supported"));
    assert!(doctored(b"little", b"big\0\0\0").contains("little-endian"));
    assert!(doctored(b"data.pkl", b"fata.pkl").contains("0 files are named data.pkl"));
    assert!(
        doctored(b"model_state_dict", b"model_stale_dict").contains("not a dictionary of tensors")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_never_panic(
        which in 0usize..4,
        edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        cut in any::<usize>(),
    ) {
        let mut file = bytes(
            ["tensors-zip.pt", "tensors-stream.pt", "malicious.pt", "meshnet.safetensors"][which],
        );
        let len = file.len();
        for (at, byte) in edits {
            file[at % len] = byte;
        }
        if cut % 4 == 0 {
            file.truncate(cut / 4 % len);
        }
        if let Ok(state) = source::parse(&file) {
            let total: usize = state.values().map(|tensor| tensor.data.len()).sum();
            prop_assert!(total <= 2 * len);
        }
    }

    #[test]
    fn any_pickle_never_panics(pickle in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut stream = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02N.".to_vec();
        stream.extend_from_slice(&pickle);
        let _ = source::parse(&stream);
    }
}
