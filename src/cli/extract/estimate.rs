//! `--estimate`: memory and time of each extraction, without doing it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use endocast::exec::Session;
use endocast::plan::{self, Plan};
use endocast::weights::Model;
use endocast::{Options, budget};
use rayon::ThreadPoolBuilder;

use super::super::Failure;
use super::arguments::Settings;
use super::batch::Job;
use super::memory::{self, MEGABYTE, Need};

/// Planes of the network's grid that are run to learn its speed; every network works on as many.
const PLANES: usize = 32;

/// Prints a line for each of `jobs`, done as `options` say. Of several, one that fails is told and the others go
/// on.
pub fn run(jobs: &[Job], settings: &Settings, options: &Options) -> Result<(), Failure> {
    let mut estimator = Estimator {
        settings,
        options: memory::plan_options(options),
        timed: None,
    };
    let mut failed = 0;
    for job in jobs {
        match estimator.estimate(job) {
            Err(failure) if jobs.len() > 1 && !failure.concerns_all() => {
                errln!("endocast: {failure}");
                failed += 1;
            }
            outcome => outcome?,
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::batch(failed, jobs.len())),
    }
}

struct Estimator<'a> {
    settings: &'a Settings,
    options: plan::Options,
    /// Time of the network with the options of the scan before.
    timed: Option<(plan::Options, Duration)>,
}

impl Estimator<'_> {
    fn estimate(&mut self, job: &Job) -> Result<(), Failure> {
        let need = Need::new(job, self.settings)?;
        let model = need.model()?;
        let failed = |cause: plan::Error| Failure::model(model.name(), cause);
        let options = need.fit(&model, self.options)?;
        let plan = budget::plan(&model, options).map_err(failed)?;
        let megabytes = need.bytes(&model, &plan).div_ceil(MEGABYTE);
        let is_same = |(before, _): &(plan::Options, Duration)| {
            (before.threads, before.policy.direct_only)
                == (options.threads, options.policy.direct_only)
        };
        let network = match self.timed.filter(is_same) {
            Some((_, network)) => network,
            None => network(model, &plan)?,
        };
        self.timed = Some((options, network));
        outln!(
            "{}: at most {megabytes} MB; {:.2} s in the network on {} threads, and the time to read, \
             resample and write",
            job.input.display(),
            network.as_secs_f64(),
            options.threads
        );
        Ok(())
    }
}

/// The time of `plan`, from the second of two runs on fewer planes.
fn network(model: Model, plan: &Plan) -> Result<Duration, Failure> {
    let name = model.name().to_string();
    let failed = |cause: &dyn std::fmt::Display| Failure::model(&name, cause);
    let [depth, height, width] = plan.grid();
    let part = [depth.min(PLANES), height, width];
    let part = Plan::new(model.graph(), part, plan.options).map_err(|cause| failed(&cause))?;
    let share = part.macs() as f64 / plan.macs() as f64;
    let pool = ThreadPoolBuilder::new().num_threads(plan.options.threads);
    let pool = pool.build().map_err(|cause| failed(&cause))?;
    let mut session = Session::new(Arc::new(model), part).map_err(|cause| failed(&cause))?;
    let image = vec![0.5; session.image_len()];
    let mut result = vec![0.0; session.result_len()];
    let mut spent = Duration::ZERO;
    for _ in 0..2 {
        let start = Instant::now();
        let done = pool.install(|| session.run(&image, &mut result));
        done.map_err(|cause| failed(&cause))?;
        spent = start.elapsed();
    }
    Ok(spent.div_f64(share))
}
