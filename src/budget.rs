//! How much memory an extraction needs, known before any voxel is read.

use endocast_weights::Model;

use crate::exec::Session;
use crate::plan::{self, Plan};
use crate::qc;
use crate::volume::{FourD, Header};

/// Resident memory of the process beside data: code, stacks, what the allocator keeps. Measured on Linux: 7 MB.
const PROCESS: usize = 8_000_000;

/// Of every thread beyond the first: stack, and its share of what the allocator keeps.
const THREAD: usize = 500_000;

/// Bytes of a run in the components of a mask or of its background, with lists of them and sums.
const RUN: usize = 80;

/// Runs per row of voxels, on average; masks of heads have fewer.
const RUNS: f64 = 1.5;

/// Bytes per voxel while distances are measured: masks, and squares of two distances. Measured: 11.
const DISTANCES: usize = 12;

/// Bytes per voxel while the least value is looked for: all values in `f64`. Measured: 9.
const MINIMUM: usize = 10;

/// Percent added for what is not accounted for one by one; at most 0.5 were measured to be missing.
const MARGIN: usize = 2;

/// What is asked for beside mask and brain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The probability map.
    pub probabilities: bool,
    /// The distance map, or a border moved by it.
    pub distances: bool,
    /// The least value of the scan.
    pub minimum: bool,
}

/// Bytes in use at once in each stage; what one stage gives back is there for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Process, model, and weights in the kernels' own form: in every stage.
    pub process: usize,
    /// Reading the scan.
    pub reading: usize,
    /// Bringing it onto the network's grid.
    pub pre: usize,
    /// The network, with the scan.
    pub network: usize,
    /// From its answer to the mask, with the scan.
    pub post: usize,
    /// The quality check, with scan and mask.
    pub inspecting: usize,
    /// Making and writing the outputs.
    pub writing: usize,
}

impl Budget {
    /// For a scan with this `header`, of which `four_d` is taken, through `plan` of `model`.
    pub fn new(
        model: &Model,
        plan: &Plan,
        header: &Header,
        four_d: FourD,
        extras: Extras,
    ) -> Budget {
        let [columns, rows, slices] = header.shape();
        // No memory suffices for more than this, and sums of it do not overflow.
        let voxels = (columns * rows * slices).min(usize::MAX / 1024);
        let only_if = |asked: bool, bytes: usize| usize::from(asked) * bytes * voxels;
        let stored = voxels * header.datatype().size();
        let is_mean = four_d == FourD::Mean && header.volumes() > 1;
        let scan = if is_mean {
            voxels * size_of::<f32>()
        } else {
            stored
        };
        let threads = plan.options.threads.max(1);
        let slice = columns * rows * size_of::<f32>();
        let cube = plan.grid().iter().product::<usize>() * size_of::<f32>();
        let answer = cube * plan.result().channels;
        let runs = (RUNS * (rows * slices) as f64) as usize * RUN;
        let mask = voxels;
        let kept = scan + mask + only_if(extras.probabilities, size_of::<f32>());
        let distances = only_if(extras.distances, DISTANCES);
        let minimum = only_if(extras.minimum, MINIMUM);
        Budget {
            process: PROCESS
                + THREAD * (threads - 1)
                + model.file_len()
                + Session::kept_bytes(model, plan),
            reading: scan + usize::from(is_mean) * (voxels * size_of::<f64>() + stored),
            pre: scan + 2 * cube + 2 * threads * slice,
            network: scan + plan.arena_bytes + cube + answer,
            post: kept + answer + runs + threads * slice,
            inspecting: kept + qc::BYTES + 2 * threads * slice,
            writing: kept + distances.max(minimum),
        }
    }

    /// The most that is in use at once.
    pub fn peak(&self) -> usize {
        let stages = [
            self.reading,
            self.pre,
            self.network,
            self.post,
            self.inspecting,
            self.writing,
        ];
        let peak = self.process + stages.into_iter().max().unwrap_or(0);
        peak + peak * MARGIN / 100
    }
}

/// Changes `options` as little as possible so that `needed` of the plan is at most `allowed` bytes: fewer
/// threads first, which changes no result, then direct sums.
///
/// # Errors
/// A network that cannot be planned. Inside: the least that is needed, where that is more than `allowed`.
pub fn fit(
    model: &Model,
    options: plan::Options,
    needed: impl Fn(&Plan) -> usize,
    allowed: usize,
) -> Result<Result<plan::Options, usize>, plan::Error> {
    let mut least = usize::MAX;
    for direct_only in [options.policy.direct_only, true] {
        let halves = std::iter::successors(Some(options.threads.max(1)), |&threads| {
            (threads > 1).then_some(threads / 2)
        });
        for threads in halves {
            let mut fitting = plan::Options { threads, ..options };
            fitting.policy.direct_only = direct_only;
            let needed = needed(&plan(model, fitting)?);
            if needed <= allowed {
                return Ok(Ok(fitting));
            }
            least = least.min(needed);
        }
    }
    Ok(Err(least))
}

/// The plan that an extraction with `options` runs.
///
/// # Errors
/// A network that cannot be planned.
pub fn plan(model: &Model, options: plan::Options) -> Result<Plan, plan::Error> {
    Plan::new(
        model.graph(),
        [model.preprocessing().route.grid(); 3],
        options,
    )
}
