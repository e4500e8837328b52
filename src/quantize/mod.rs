//! Post-training quantisation: a network in single precision and some scans in, an int8 network out.
//!
//! 1. [`calibration`]: the scans on the network's grid.
//! 2. `observe`: what every convolution reads around and inside the brain, as patches.
//! 3. `equalise`: factors per channel that can move through the network without changing it.
//! 4. `range`, `weights`, `layer`: per convolution the factors, the range of its input and its weights
//!    that give the smallest error of its result on the patches.
//! 5. `rewrite`: the network with 8-bit convolutions.
//! 6. `agreement`, `sensitivity`: what that costs, and which convolutions to leave in single precision.
//!
//! `docs/quantization.md` has the reasons and the figures. Equal inputs on equal processors give equal
//! files, whatever the number of threads.

pub mod calibration;

mod agreement;
mod equalise;
mod error;
mod layer;
mod observe;
mod range;
mod rewrite;
mod sensitivity;
mod weights;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use endocast_kernels::registry::Policy;
use endocast_tools::Network;
use endocast_weights::Model;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

pub use agreement::Agreement;
pub use calibration::Calibration;
pub use error::Error;
pub use layer::Layer;
pub use range::{Method, Preset};
pub use sensitivity::Sensitivity;
pub use weights::Rule;

use agreement::Judge;
use equalise::Channels;

/// How to quantise.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which zero points inputs may have.
    pub preset: Preset,
    /// Leave convolutions in single precision until the mean loss of Dice on the calibration scans is
    /// at most this.
    pub max_drop: Option<f64>,
    /// Threads; at least 1.
    pub threads: usize,
    /// Kernels to run the networks with.
    pub policy: Policy,
}

/// An int8 model and how it came about.
#[derive(Debug)]
pub struct Quantised {
    /// The model file.
    pub bytes: Vec<u8>,
    /// The convolutions, in the order of the graph.
    pub layers: Vec<Layer>,
    /// Names of the convolutions that stay in single precision, in the order of that decision.
    pub reverted: Vec<String>,
    /// Agreement of the masks with those of single precision, with all convolutions in int8.
    pub all_int8: Agreement,
    /// The same for the model in `bytes`.
    pub agreement: Agreement,
}

/// Quantises `model`; `progress` hears what is being done, how much of it is done, and out of how much.
///
/// # Errors
/// A model that is quantised already or that the engine cannot run; scans in which it finds no brain.
pub fn quantise(
    model: &Arc<Model>,
    calibration: &Calibration,
    options: &Options,
    progress: &(dyn Fn(&str, usize, usize) + Sync),
) -> Result<Quantised, Error> {
    if model.graph().is_quantised() {
        return Err(Error::Quantised);
    }
    let pool = ThreadPoolBuilder::new().num_threads(options.threads.max(1));
    let pool = pool.build().map_err(|cause| Error::Threads {
        threads: options.threads,
        cause: cause.to_string(),
    })?;
    pool.install(|| quantise_here(model, calibration, options, progress))
}

fn quantise_here(
    model: &Arc<Model>,
    calibration: &Calibration,
    options: &Options,
    progress: &(dyn Fn(&str, usize, usize) + Sync),
) -> Result<Quantised, Error> {
    let network = Network::from_model(model);
    let plan_options = crate::plan::Options {
        threads: options.threads.max(1),
        policy: options.policy,
    };
    let judge = Judge::new(model, calibration, plan_options, progress)?;
    let sites = observe::observe(&network, model, calibration, &judge, plan_options, progress)?;

    let channels = Channels::of(&network.graph, &sites);
    let done = AtomicUsize::new(0);
    let fitted: Vec<layer::Fitted> = sites
        .par_iter()
        .map(|site| {
            let fitted = layer::fit(&network, site, &channels, options.preset);
            let count = done.fetch_add(1, Relaxed) + 1;
            progress("fitting layers", count, sites.len());
            fitted
        })
        .collect();
    drop(sites);
    let factors = channels.factors(&fitted);
    let equalised = channels.apply(&network, &factors);
    let build = |reverted: &BTreeSet<usize>| {
        let network = rewrite::quantised(&equalised, &fitted, &channels, &factors, reverted)?;
        rewrite::bytes(&network, model)
    };

    let all_int8 = judge.judge(&build(&BTreeSet::new())?, usize::MAX)?;
    let mut layers: Vec<Layer> = fitted.iter().flat_map(|site| site.layers.clone()).collect();
    layers.sort_by_key(|layer| layer.node);
    let decision = match options.max_drop {
        Some(max_drop) => {
            sensitivity::revert(&mut layers, &all_int8, max_drop, &judge, &build, progress)?
        }
        None => sensitivity::Decision::none(&all_int8),
    };
    let name = |node: &usize| network.node(*node).name.clone();
    Ok(Quantised {
        bytes: build(&decision.reverted.iter().copied().collect())?,
        reverted: decision.reverted.iter().map(name).collect(),
        agreement: decision.agreement,
        layers,
        all_int8,
    })
}
