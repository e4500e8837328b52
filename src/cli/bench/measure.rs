//! One network under one policy, timed layer by layer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use endocast::exec::Session;
use endocast::kernels::contract::ConvProblem;
use endocast::kernels::cpu::Isa;
use endocast::kernels::peak::Products;
use endocast::plan::{ConvChoice, Plan};
use endocast::weights::Model;
use rayon::ThreadPool;

use super::super::Failure;

/// A convolution of a layer, and the kernel that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub problem: ConvProblem,
    pub kernel: &'static str,
    pub isa: Isa,
    pub products: Products,
    pub macs: u64,
}

/// Times of one step over the runs.
pub struct Layer {
    pub name: String,
    pub conv: Option<Conv>,
    /// Read and written, each once.
    pub bytes: usize,
    /// Shortest first, summed over threads.
    pub times: Vec<Duration>,
}

/// Times of a network.
pub struct Measured {
    pub layers: Vec<Layer>,
    /// Shortest first.
    pub totals: Vec<Duration>,
    pub macs: u64,
    pub session_bytes: usize,
}

/// The middle one of times in order.
pub fn median(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

/// Runs `plan` of `model` once, then `runs` times, in the threads of `pool`; only once, and that counts, if
/// the first run takes longer than `patience`.
pub fn measure(
    model: &Arc<Model>,
    plan: Plan,
    pool: &ThreadPool,
    runs: usize,
    patience: Duration,
) -> Result<Measured, Failure> {
    let failed = |cause| Failure::model(model.name(), cause);
    let macs = plan.macs();
    let mut layers = layers(&plan);
    let mut session = Session::new(model.clone(), plan).map_err(failed)?;
    let image: Vec<f32> = (0..session.image_len())
        .map(|index| (index * 7919 % 1009) as f32 / 1009.0)
        .collect();
    let mut result = vec![0.0; session.result_len()];
    let mut totals = Vec::new();
    for run in 0..=runs {
        let start = Instant::now();
        let done = pool.install(|| session.run(&image, &mut result));
        done.map_err(failed)?;
        let spent = start.elapsed();
        let is_last = run == 0 && spent > patience;
        if run > 0 || is_last {
            totals.push(spent);
            for (layer, (_, spent)) in layers.iter_mut().zip(session.timings()) {
                layer.times.push(spent);
            }
        }
        if is_last {
            break;
        }
    }
    totals.sort();
    layers.iter_mut().for_each(|layer| layer.times.sort());
    Ok(Measured {
        layers,
        totals,
        macs,
        session_bytes: session.bytes(),
    })
}

fn layers(plan: &Plan) -> Vec<Layer> {
    let steps = plan.steps.iter().zip(&plan.convs).enumerate();
    let layers = steps.map(|(index, (step, conv))| Layer {
        name: step.name.clone(),
        conv: (conv.as_ref()).map(|choice| Conv::new(choice, step.depth)),
        bytes: plan.step_bytes(index),
        times: Vec::new(),
    });
    layers.collect()
}

impl Conv {
    fn new(choice: &ConvChoice, depth: usize) -> Conv {
        Conv {
            problem: choice.problem,
            kernel: choice.name(),
            isa: choice.isa(),
            products: choice.products(),
            macs: choice.macs() * depth as u64,
        }
    }
}
