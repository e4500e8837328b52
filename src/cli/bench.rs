//! `endocast bench`: how fast the network runs on this machine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use endocast::exec::Session;
use endocast::plan::{Options, Plan};
use rayon::ThreadPoolBuilder;

use super::{Failure, cpu, json, model, threads};

/// Command line of `bench`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Choice,
    /// Edge of the cubic grid, in voxels; by default the model's own
    #[arg(long, value_name = "N")]
    grid: Option<usize>,
    /// Threads; by default all processors this process may use
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Timed runs, after one that is not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Use only kernels that sum directly
    #[arg(long)]
    direct: bool,
    /// Write the figures as JSON to a file, or to standard output for "-"
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Times of one step over the runs, and its work.
struct Layer {
    name: String,
    kernel: &'static str,
    macs: u64,
    /// Read and written, each once.
    bytes: usize,
    times: Vec<Duration>,
}

/// Runs the network alone and prints or writes the times.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = Arc::new(arguments.model.open()?);
    let failed = |cause: String| Failure::model(model.name(), cause);
    let edge = arguments.grid.unwrap_or(model.preprocessing().route.grid());
    let threads = threads(arguments.threads.map(usize::from));
    let mut options = Options {
        threads,
        policy: cpu()?.into(),
    };
    options.policy.direct_only = arguments.direct;
    let plan = Plan::new(model.graph(), [edge; 3], options).map_err(|e| failed(e.to_string()))?;
    let macs = plan.macs();
    let mut layers = layers(&plan);
    let mut session = Session::new(model.clone(), plan).map_err(|e| failed(e.to_string()))?;
    let image: Vec<f32> = (0..session.image_len())
        .map(|index| (index * 7919 % 1009) as f32 / 1009.0)
        .collect();
    let mut result = vec![0.0; session.result_len()];
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| failed(error.to_string()))?;

    let mut totals = Vec::new();
    for run in 0..=arguments.runs {
        let start = Instant::now();
        let done = pool.install(|| session.run(&image, &mut result));
        done.map_err(|error| failed(error.to_string()))?;
        if run > 0 {
            totals.push(start.elapsed());
            for (layer, (_, spent)) in layers.iter_mut().zip(session.timings()) {
                layer.times.push(spent);
            }
        }
    }
    totals.sort();
    let middle = totals[totals.len() / 2];
    if let Some(path) = &arguments.json {
        let layers = layers.iter().map(|layer| {
            json::object([
                ("name", layer.name.as_str().into()),
                ("kernel", layer.kernel.into()),
                ("seconds", median(&layer.times).as_secs_f64().into()),
                ("macs", (layer.macs as f64).into()),
                ("bytes", (layer.bytes as f64).into()),
            ])
        });
        let report = json::object([
            ("model", model.name().into()),
            ("grid", (edge as f64).into()),
            ("threads", (threads as f64).into()),
            ("seconds_median", middle.as_secs_f64().into()),
            ("seconds_min", totals[0].as_secs_f64().into()),
            ("seconds_max", totals[totals.len() - 1].as_secs_f64().into()),
            ("macs", (macs as f64).into()),
            ("session_bytes", (session.bytes() as f64).into()),
            ("layers", json::Value::Array(layers.collect())),
        ]);
        return json::write(path, &report);
    }
    outln!(
        "{:24} {:30} {:>9} {:>8} {:>8}",
        "layer",
        "kernel",
        "ms",
        "MB",
        "GMAC/s"
    );
    for layer in &layers {
        let time = median(&layer.times).as_secs_f64();
        let megabytes = layer.bytes as f64 * 1e-6;
        out!(
            "{:24} {:30} {:9.2} {megabytes:8.2}",
            layer.name,
            layer.kernel,
            time * 1e3
        );
        match layer.macs {
            0 => outln!(),
            macs => outln!(" {:8.1}", macs as f64 / time * 1e-9),
        }
    }
    outln!(
        "{edge}^3, {threads} threads: {:.3} s ({:.3} to {:.3}), {:.1} GMAC/s; times of layers are \
         summed over threads",
        middle.as_secs_f64(),
        totals[0].as_secs_f64(),
        totals[totals.len() - 1].as_secs_f64(),
        macs as f64 / middle.as_secs_f64() * 1e-9,
    );
    Ok(())
}

fn layers(plan: &Plan) -> Vec<Layer> {
    let steps = plan.steps.iter().zip(&plan.convs).enumerate();
    steps
        .map(|(index, (step, conv))| Layer {
            name: step.name.clone(),
            bytes: plan.step_bytes(index),
            kernel: conv.as_ref().map_or("", |conv| conv.name()),
            macs: conv
                .as_ref()
                .map_or(0, |conv| conv.macs() * step.depth as u64),
            times: Vec::new(),
        })
        .collect()
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}
