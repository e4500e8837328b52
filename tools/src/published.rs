//! Checkpoints that others have published, by their digests.

/// A published checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// SHA-256, as [`Checkpoint::sha256`](crate::source::Checkpoint::sha256).
    pub sha256: &'static str,
    /// Name for the model.
    pub name: &'static str,
    /// Where it is from.
    pub origin: &'static str,
    /// Licence of the weights, by its SPDX name.
    pub license: &'static str,
}

const PUBLISHED: [Published; 4] = [
    Published {
        sha256: "7eff7f10d541c5f2204b6e3882ea1070698c11e10a3d77918589692e36e0cf1c",
        name: "brainmage-ma",
        origin: "BrainMaGe, weights/resunet_ma.pt",
        license: "BSD-3-Clause",
    },
    Published {
        sha256: "2b1a582c16a490e19b1ead6514cf992ef6e7956cc0e4b679f87905fabff9cd14",
        name: "brainmage-multi-4",
        origin: "BrainMaGe, weights/resunet_multi_4.pt",
        license: "BSD-3-Clause",
    },
    Published {
        sha256: "893cc4486c8a8ac5bfe9042be3490857322e898ccc1922628ae1b97ef89e6808",
        name: "mindgrab",
        origin: "brainchop, models/mindgrab for TensorFlow.js",
        license: "MIT",
    },
    Published {
        sha256: "aba8754c83fce20e35c41ce2c4db205250ca84737e6b73cf0faf809fdc3884ef",
        name: "mindgrab",
        origin: "brainchop, net_mindgrab.safetensors",
        license: "MIT",
    },
];

/// The published checkpoint with this digest.
pub fn find(sha256: &str) -> Option<&'static Published> {
    PUBLISHED
        .iter()
        .find(|published| published.sha256 == sha256)
}
