//! Checkpoints: PyTorch's zip archives and streams, with their pickles; safetensors; TensorFlow.js.

use endocast::weights::{Model, sha256_hex};
use endocast_tools::source::{self, Checkpoint};
use endocast_tools::{Options, convert_checkpoint};

/// Converts `data`, which is one file or, if it starts with a brace, a `model.json`, a zero byte and its
/// weights. Whatever is converted is a model.
pub fn run(data: &[u8]) {
    let state = if data.starts_with(b"{") {
        let mut parts = data.splitn(2, |&byte| byte == 0);
        let [text, rest] = [(); 2].map(|()| parts.next().unwrap_or_default());
        source::parse_tfjs(text, rest)
    } else {
        source::parse(data)
    };
    let Ok(state) = state else {
        return;
    };
    for tensor in state.values() {
        assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>());
    }
    let sha256 = sha256_hex(data);
    let converted = convert_checkpoint(Checkpoint { state, sha256 }, &Options::default());
    if let Ok(converted) = converted {
        let model = Model::from_bytes(&converted.bytes).expect("a converted model is read");
        model.verify_payload().expect("a converted model is whole");
    }
}
