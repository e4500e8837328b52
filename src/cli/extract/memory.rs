//! The bound on memory that `--max-ram` sets.

use endocast::Options;
use endocast::budget::{self, Budget, Extras};
use endocast::plan::{self, Plan};
use endocast::volume::Header;
use endocast::weights::Model;
use endocast::weights::preprocessing::Route;

use super::super::Failure;
use super::arguments::{Fill, Settings};
use super::batch::Job;
use super::outputs::{Outputs, is_stream};

/// Bytes of a MB.
pub const MEGABYTE: usize = 1_000_000;

/// What the memory must suffice for: a scan and what is to be made of it.
pub struct Need<'a> {
    job: &'a Job,
    settings: &'a Settings,
    header: Header,
}

impl<'a> Need<'a> {
    /// Reads the header of the scan.
    pub fn new(job: &'a Job, settings: &'a Settings) -> Result<Need<'a>, Failure> {
        let usage = |cause: &str| Err(Failure::Usage(format!("--max-ram and --estimate: {cause}")));
        if is_stream(&job.input) {
            return usage("standard input cannot be looked at beforehand");
        }
        let Outputs { mesh, qc, .. } = &job.outputs;
        if mesh.is_some() || qc.is_some() {
            return usage("the memory of surfaces and pictures is not known beforehand");
        }
        let header = Header::read(&job.input).map_err(|cause| Failure::Input(cause.to_string()))?;
        Ok(Need {
            job,
            settings,
            header,
        })
    }

    /// Opens the model, whose way to its grid must be one that is accounted for.
    pub fn model(&self) -> Result<Model, Failure> {
        let model = self.settings.model.open()?;
        match model.preprocessing().route {
            Route::Conform(_) => Ok(model),
            _ => Err(Failure::Usage(format!(
                "{}: --max-ram and --estimate do not know the memory of BrainMaGe's routes",
                model.name()
            ))),
        }
    }

    /// Bytes at the peak.
    pub fn bytes(&self, model: &Model, plan: &Plan) -> usize {
        let Need {
            job,
            settings,
            header,
        } = self;
        let extras = Extras {
            probabilities: job.outputs.prob.is_some(),
            distances: settings.border != 0.0 || job.outputs.sdt.is_some(),
            minimum: settings.fill == Some(Fill::Minimum),
        };
        Budget::new(model, plan, header, settings.four_d(), extras).peak()
    }

    /// `options` changed as far as the bound asks for it.
    pub fn fit(&self, model: &Model, options: plan::Options) -> Result<plan::Options, Failure> {
        let Some(megabytes) = self.settings.max_ram else {
            return Ok(options);
        };
        let streams = self.settings.streams();
        let allowed = megabytes as usize * MEGABYTE / streams;
        let fitting = budget::fit(model, options, |plan| self.bytes(model, plan), allowed);
        let fitting = fitting.map_err(|cause| Failure::model(model.name(), cause))?;
        fitting.map_err(|needed| {
            let side_by_side = match streams {
                1 => String::new(),
                _ => format!(" for {streams} side by side"),
            };
            Failure::Memory(format!(
                "{}: needs {} MB of memory, {megabytes} are allowed{side_by_side}",
                self.job.input.display(),
                needed.div_ceil(MEGABYTE),
            ))
        })
    }
}

/// `options` changed as far as `--max-ram` asks for it.
pub fn fit(job: &Job, settings: &Settings, options: &Options) -> Result<Options, Failure> {
    let mut options = options.clone();
    if settings.max_ram.is_some() {
        let need = Need::new(job, settings)?;
        let plan::Options { threads, policy } = need.fit(&need.model()?, plan_options(&options))?;
        (options.threads, options.policy) = (threads, policy);
    }
    Ok(options)
}

/// What concerns the plan.
pub fn plan_options(options: &Options) -> plan::Options {
    plan::Options {
        threads: options.threads,
        policy: options.policy,
    }
}
