//! `endocast bench`: how fast the network runs on this machine.

mod measure;
mod peaks;
mod report;
mod rivals;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use endocast::plan::{Options, Plan};
use rayon::ThreadPoolBuilder;

use super::replace::Replace;
use super::threads::Threads;
use super::{Failure, cpu, json, model};
use measure::Conv;
use peaks::Peaks;
use rivals::Shape;

/// Command line of `bench`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Choice,
    /// Edge of the cubic grid, in voxels; by default the model's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    grid: Option<u16>,
    #[command(flatten)]
    threads: Threads,
    /// Timed runs, after one that is not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Use only kernels that sum directly
    #[arg(long)]
    direct: bool,
    /// Time every kernel that this processor runs on every shape of the network
    #[arg(long)]
    all: bool,
    /// Do as --all does, and fail with exit code 8 if on some shape the chosen kernel is more than N % slower
    /// than the best
    #[arg(long, value_name = "N", value_parser = percent)]
    assert: Option<f64>,
    /// Write the figures as JSON to a file, or to standard output for "-"
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    replace: Replace,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..f64::INFINITY).contains(&value) => Ok(value),
        _ => Err("not a number of 0 or more".into()),
    }
}

/// Runs the network alone and prints or writes the times.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(path) = &arguments.json {
        arguments.replace.check(path)?;
    }
    let model = Arc::new(arguments.model.open()?);
    let failed = |cause: String| Failure::model(model.name(), cause);
    let cpu = cpu()?;
    let mut options = Options {
        threads: arguments.threads.count(),
        policy: cpu.into(),
    };
    options.policy.direct_only = arguments.direct;
    let setting = report::Setting {
        model: model.name().into(),
        edge: arguments
            .grid
            .map_or(model.preprocessing().route.grid(), usize::from),
        threads: options.threads,
    };
    let pool = ThreadPoolBuilder::new().num_threads(setting.threads);
    let pool = pool.build().map_err(|error| failed(error.to_string()))?;
    let runs = usize::from(arguments.runs);
    if arguments.all || arguments.assert.is_some() {
        let shapes = rivals::compare(&model, setting.edge, options, &pool, runs)?;
        let rivals = shapes.iter().flat_map(|shape| &shape.rivals);
        let convs: Vec<Conv> = rivals.map(|rival| rival.conv).collect();
        let peaks = Peaks::measure(&convs, cpu, &pool);
        match &arguments.json {
            Some(path) => json::write(path, &report::shapes_to_json(&setting, &shapes, &peaks))?,
            None => report::print_shapes(&setting, &shapes, &peaks),
        }
        return judge(&shapes, arguments.assert);
    }
    let plan = Plan::new(model.graph(), [setting.edge; 3], options);
    let plan = plan.map_err(|cause| Failure::plan(model.name(), cause))?;
    let measured = measure::measure(&model, plan, &pool, runs, Duration::MAX)?;
    let convs: Vec<Conv> = (measured.layers.iter())
        .filter_map(|layer| layer.conv)
        .collect();
    let peaks = Peaks::measure(&convs, cpu, &pool);
    match &arguments.json {
        Some(path) => json::write(path, &report::to_json(&setting, &measured, &peaks)),
        None => {
            report::print(&setting, &measured, &peaks);
            Ok(())
        }
    }
}

/// Fails if on a shape the choice is more than `percent` slower than the best kernel.
fn judge(shapes: &[Shape], percent: Option<f64>) -> Result<(), Failure> {
    let is_slow = |shape: &&Shape| percent.is_some_and(|percent| shape.excess() > percent);
    match shapes.iter().find(is_slow) {
        None => Ok(()),
        Some(shape) => Err(Failure::Slow(format!(
            "{} ({}): {} is {:.0} % slower than the best kernel",
            shape.rivals[0].conv.problem,
            shape.layers.join(" "),
            shape.rivals[0].conv.kernel,
            shape.excess()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_slower_than_allowed_is_told_by_shape_and_layer() {
        let shapes = rivals::tests::shapes_of_two_choices();
        assert!(judge(&shapes, None).is_ok());
        assert!(judge(&shapes, Some(90.0)).is_ok());
        let failure = judge(&shapes, Some(89.0)).unwrap_err();
        assert_eq!(failure.exit_code(), std::process::ExitCode::from(8));
        assert_eq!(
            failure.to_string(),
            "k3s1_16to16_8x8 (first second): a is 90 % slower than the best kernel"
        );
    }
}
