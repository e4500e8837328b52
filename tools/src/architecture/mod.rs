//! The networks that are known by their tensors' names and shapes.

mod builder;
mod encoder;
pub mod fcn;
pub mod meshnet;
pub mod resunet;

use std::fmt;

use endocast_weights::MAX_CHANNELS;

use crate::error::Error;
use crate::network::Network;
use crate::state::StateDict;

/// A known kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// BrainMaGe's residual U-Net.
    Resunet,
    /// BrainMaGe's fully convolutional network.
    Fcn,
    /// A MeshNet such as MindGrab.
    Meshnet,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::Resunet => "resunet",
            Architecture::Fcn => "fcn",
            Architecture::Meshnet => "meshnet",
        })
    }
}

/// Recognises the network whose tensors these are and builds it as it was trained, nothing folded.
///
/// Names may all start with `module.` or `model.`, as training programs like to have it.
///
/// # Errors
/// No known network has such tensors, or not all of them are as they should be.
pub fn build(state: StateDict) -> Result<(Architecture, Network), Error> {
    let state = without_prefix(without_prefix(state, "module."), "model.");
    if resunet::recognise(&state) {
        Ok((Architecture::Resunet, resunet::build(&state)?))
    } else if fcn::recognise(&state) {
        Ok((Architecture::Fcn, fcn::build(&state)?))
    } else if meshnet::recognise(&state) {
        Ok((Architecture::Meshnet, meshnet::build(&state)?))
    } else {
        Err(Error::UnknownArchitecture {
            count: state.len(),
            examples: state
                .keys()
                .take(5)
                .map(|name| name.escape_default().to_string())
                .collect(),
        })
    }
}

/// Drops `prefix` from all names, if what follows it in every name is a name too.
fn without_prefix(state: StateDict, prefix: &str) -> StateDict {
    let starts_name = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic());
    let all = state
        .keys()
        .all(|name| name.strip_prefix(prefix).is_some_and(starts_name));
    if !all {
        return state;
    }
    state
        .into_iter()
        .map(|(name, tensor)| (name[prefix.len()..].to_string(), tensor))
        .collect()
}

/// The first two edges of a tensor, 0 where it has none; a number of channels that no graph allows
/// is cut to the first such number.
fn shape(state: &StateDict, name: &str) -> [usize; 2] {
    let edge = |axis| {
        state
            .get(name)
            .and_then(|tensor| tensor.shape.get(axis))
            .copied()
    };
    [edge(0), edge(1)].map(|edge| edge.unwrap_or(0).min(MAX_CHANNELS + 1))
}
