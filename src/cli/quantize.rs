//! `endocast quantize`: a model in single precision and scans in, an int8 model out.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use endocast::quantize::{self, Agreement, Calibration, Layer, Options, Preset, Quantised};
use endocast::weights::Model;

use super::replace::Replace;
use super::threads::Threads;
use super::{Failure, cpu, json};

/// Command line of `quantize`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Model file in single or half precision
    model: PathBuf,
    /// Folder of head scans to measure ranges on; none of those that the result is to be tested on
    #[arg(long, value_name = "FOLDER")]
    calibration: PathBuf,
    /// Model file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    replace: Replace,
    /// Zero points of activations: "mixed", any, or "performance", symmetric ones
    #[arg(long, value_name = "NAME", default_value = "mixed", value_parser = preset)]
    preset: Preset,
    /// Rank the convolutions by what they cost, and leave the worst in single precision until the masks
    /// of the calibration scans are close enough to those in single precision
    #[arg(long)]
    accuracy_aware: bool,
    /// Largest mean loss of Dice with --accuracy-aware
    #[arg(long, value_name = "DICE", default_value_t = 0.005, value_parser = drop, requires = "accuracy_aware")]
    max_drop: f64,
    /// Write what was done to each layer, as JSON, to a file, or to standard output for "-"
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    threads: Threads,
    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

fn preset(text: &str) -> Result<Preset, String> {
    let presets = [Preset::Mixed, Preset::Performance];
    let found = presets.into_iter().find(|preset| preset.word() == text);
    found.ok_or_else(|| "neither \"mixed\" nor \"performance\"".into())
}

fn drop(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("not a number from 0 to 1".into()),
    }
}

/// Quantises, and says what that cost.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let report = arguments
        .report
        .iter()
        .filter(|path| *path != Path::new("-"));
    for path in report.chain([&arguments.output]) {
        arguments.replace.check(path)?;
        endocast::output::check(path).map_err(|cause| output_failure(path, &cause))?;
    }
    let failed = |cause| failure(&arguments.model, cause);
    let model = Model::open(&arguments.model);
    let model = model.map_err(|cause| Failure::model(arguments.model.display(), cause))?;
    let calibration = Calibration::read(&arguments.calibration, &model).map_err(failed)?;
    let options = Options {
        preset: arguments.preset,
        max_drop: arguments.accuracy_aware.then_some(arguments.max_drop),
        threads: arguments.threads.count(),
        policy: cpu()?.into(),
    };
    let progress = Progress::new(!arguments.quiet);
    let quantised = quantize::quantise(
        &Arc::new(model),
        &calibration,
        &options,
        &|task, done, of| {
            progress.say(task, done, of);
        },
    );
    progress.end();
    let quantised = quantised.map_err(failed)?;
    let written =
        endocast::output::write(&arguments.output, |file| file.write_all(&quantised.bytes));
    written.map_err(|cause| output_failure(&arguments.output, &cause))?;
    if let Some(path) = &arguments.report {
        json::write(path, &to_json(arguments, &calibration, &quantised))?;
    }
    if !arguments.quiet {
        print(arguments, &quantised);
    }
    Ok(())
}

fn output_failure(path: &Path, cause: &std::io::Error) -> Failure {
    Failure::Output(format!("{}: cannot write: {cause}", path.display()))
}

fn failure(model: &Path, cause: quantize::Error) -> Failure {
    use quantize::Error::{Channels, Folder, NoBrain, Prepare, Scan, TooFew};
    match cause {
        Folder { .. } | TooFew { .. } | Scan(_) | Channels { .. } | Prepare { .. } => {
            Failure::Input(cause.to_string())
        }
        NoBrain { .. } => Failure::NoBrain(cause.to_string()),
        _ => Failure::model(model.display(), cause),
    }
}

fn print(arguments: &Arguments, quantised: &Quantised) {
    let int8 = quantised.layers.iter().filter(|layer| !layer.reverted);
    let Agreement {
        dice,
        worst_dice,
        distance,
    } = quantised.agreement;
    errln!(
        "{}: {} bytes, {} of {} convolutions in int8",
        arguments.output.display(),
        quantised.bytes.len(),
        int8.count(),
        quantised.layers.len(),
    );
    errln!(
        "masks of the calibration scans against single precision: mean Dice {dice:.4}, worst \
         {worst_dice:.4}, mean surface distance {distance:.3} voxels"
    );
}

/// What is going on: one line that changes on a terminal, a line per task elsewhere.
struct Progress {
    shown: bool,
    terminal: bool,
    task: Mutex<String>,
}

impl Progress {
    fn new(shown: bool) -> Progress {
        Progress {
            shown,
            terminal: std::io::stderr().is_terminal(),
            task: Mutex::default(),
        }
    }

    fn say(&self, task: &str, done: usize, of: usize) {
        let Ok(mut last) = self.task.lock() else {
            return;
        };
        if self.shown && self.terminal {
            err!("\r\x1b[K{task} {done}/{of}");
        } else if self.shown && *last != task {
            errln!("{task} …");
        }
        *last = task.into();
    }

    fn end(&self) {
        if self.shown && self.terminal {
            err!("\r\x1b[K");
        }
    }
}

fn to_json(arguments: &Arguments, calibration: &Calibration, quantised: &Quantised) -> json::Value {
    let path = |path: &Path| json::Value::from(path.display().to_string());
    let scans = calibration.scans.iter().map(|scan| path(&scan.path));
    let reverted = quantised.reverted.iter();
    json::object([
        ("endocast", env!("CARGO_PKG_VERSION").into()),
        ("model", path(&arguments.model)),
        ("output", path(&arguments.output)),
        ("bytes", (quantised.bytes.len() as f64).into()),
        ("preset", arguments.preset.word().into()),
        (
            "max_drop",
            arguments
                .accuracy_aware
                .then_some(arguments.max_drop)
                .into(),
        ),
        ("calibration", json::Value::Array(scans.collect())),
        ("all_int8", agreement(&quantised.all_int8)),
        ("result", agreement(&quantised.agreement)),
        (
            "reverted",
            json::Value::Array(reverted.map(|name| name.as_str().into()).collect()),
        ),
        (
            "layers",
            json::Value::Array(quantised.layers.iter().map(layer_to_json).collect()),
        ),
    ])
}

fn agreement(agreement: &Agreement) -> json::Value {
    json::object([
        ("dice_mean", agreement.dice.into()),
        ("dice_worst", agreement.worst_dice.into()),
        ("surface_distance_mean_voxels", agreement.distance.into()),
    ])
}

fn layer_to_json(layer: &Layer) -> json::Value {
    let tried = layer.tried.iter().map(|(method, quantisation, sqnr)| {
        json::object([
            ("range", method.word().into()),
            ("scale", f64::from(quantisation.scale).into()),
            ("zero", f64::from(quantisation.zero).into()),
            ("sqnr_db", (*sqnr).into()),
        ])
    });
    let correction = layer.bias_correction.iter().map(|&c| f64::from(c).powi(2));
    let correction = (correction.sum::<f64>() / layer.bias_correction.len() as f64).sqrt();
    let sensitivity = layer.sensitivity.map_or(json::Value::Null, |sensitivity| {
        json::object([
            ("dice", sensitivity.dice.into()),
            ("surface_distance_voxels", sensitivity.distance.into()),
        ])
    });
    json::object([
        ("name", layer.name.as_str().into()),
        ("kernel", (layer.kernel as f64).into()),
        ("channels", json::array(layer.channels.map(|n| n as f64))),
        (
            "weights",
            json::object([
                ("scheme", "int8 symmetric per output channel".into()),
                ("sqnr_db", layer.weight_sqnr.into()),
                ("sqnr_without_pair_rule_db", layer.free_weight_sqnr.into()),
            ]),
        ),
        (
            "activations",
            json::object([
                ("scheme", "uint8 per tensor".into()),
                ("scale", f64::from(layer.quantisation.scale).into()),
                ("zero", f64::from(layer.quantisation.zero).into()),
                ("range", layer.method.word().into()),
                ("equalisation", layer.equalisation.map(f64::from).into()),
                ("tried", json::Value::Array(tried.collect())),
            ]),
        ),
        ("bias_correction_rms", correction.into()),
        ("sqnr_db", layer.sqnr.into()),
        ("sensitivity", sensitivity),
        (
            "decision",
            if layer.reverted { "f32" } else { "int8" }.into(),
        ),
    ])
}
