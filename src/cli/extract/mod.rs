//! `endocast extract`: a head scan in, its brain out.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use endocast::volume::{FourD, Scan, check_output_name};
use endocast::{Extraction, Extractor, Options, extract};

use super::{Failure, cpu, json, model, threads};

/// Command line of `extract`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Head scan: NIfTI-1 or -2, .nii, .nii.gz or .hdr/.img
    input: PathBuf,
    /// Write the scan with everything but the brain set to zero
    #[arg(short = 'o', long, value_name = "FILE")]
    brain: Option<PathBuf>,
    /// Write the brain mask, 0 and 1
    ///
    /// With neither --brain nor --mask, both are written beside the input, as
    /// <stem>_brain.nii.gz and <stem>_brain_mask.nii.gz.
    #[arg(short = 'm', long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Write the brain probability of every voxel
    #[arg(long, value_name = "FILE")]
    prob: Option<PathBuf>,
    #[command(flatten)]
    model: model::Choice,
    /// Least probability of a brain voxel; by default the model's own
    #[arg(long, value_name = "P", value_parser = probability)]
    threshold: Option<f32>,
    /// Leave out the cerebrospinal fluid around the brain
    #[arg(long)]
    no_csf: bool,
    /// Volume of a 4-D scan: its number, from 0, or "mean"; by default the first
    #[arg(long, value_name = "N|mean", value_parser = volume)]
    volume: Option<FourD>,
    /// Threads; by default all processors this process may use
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write a report: sizes, times, volume
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_string())?;
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err("not between 0 and 1".into())
    }
}

fn volume(text: &str) -> Result<FourD, String> {
    match text {
        "mean" => Ok(FourD::Mean),
        _ => text
            .parse()
            .map(FourD::Volume)
            .map_err(|_| "neither a number nor \"mean\"".into()),
    }
}

/// Where the results go.
struct Outputs {
    brain: Option<PathBuf>,
    mask: Option<PathBuf>,
}

/// Extracts the brain and writes what was asked for.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let start = Instant::now();
    let outputs = outputs(arguments)?;
    let progress = Progress {
        shown: !arguments.quiet && std::io::stderr().is_terminal(),
    };

    progress.stage("reading");
    let scan = Scan::read(&arguments.input, arguments.volume.unwrap_or_default());
    let scan = scan.map_err(|cause| Failure::Input(cause.to_string()))?;
    if scan.volumes() > 1 && arguments.volume.is_none() && !arguments.quiet {
        let path = arguments.input.display();
        eprintln!(
            "endocast: {path}: taking the first of {} volumes",
            scan.volumes()
        );
    }
    let reading = start.elapsed();
    check_writable(arguments, &outputs)?;

    progress.stage("planning");
    let loading = Instant::now();
    let options = Options {
        threads: threads(arguments.threads.map(usize::from)),
        policy: cpu()?.into(),
        threshold: arguments.threshold,
        output: if arguments.no_csf { "tissue" } else { "brain" }.into(),
    };
    let model = arguments.model.open()?;
    let name = model.name().to_string();
    let mut extractor = Extractor::new(model, &options).map_err(|cause| match cause {
        extract::Error::Output(_) | extract::Error::Fixed => Failure::Usage(cause.to_string()),
        _ => Failure::model(&name, cause),
    })?;
    let loading = loading.elapsed();

    progress.stage("extracting");
    let extraction = extractor.extract(&scan, arguments.prob.is_some());
    let extraction = extraction.map_err(|cause| failure(&arguments.input, cause))?;

    progress.stage("writing");
    let writing = Instant::now();
    write(&scan, &extraction, &outputs, arguments.prob.as_deref())?;
    let writing = writing.elapsed();
    progress.done();

    let report = Report {
        arguments,
        outputs: &outputs,
        scan: &scan,
        extractor: &extractor,
        extraction: &extraction,
        options: &options,
        times: [reading, loading, writing, start.elapsed()],
    };
    if let Some(path) = &arguments.json {
        json::write(path, &report.to_json())?;
    }
    if progress.shown {
        report.print();
    }
    Ok(())
}

fn failure(input: &Path, cause: extract::Error) -> Failure {
    match cause {
        extract::Error::Post(endocast::post::Error::EmptyMask) => {
            Failure::NoBrain(format!("{}: {cause}", input.display()))
        }
        extract::Error::Pre(_) | extract::Error::Post(_) => Failure::input(input, cause),
        _ => Failure::Model(cause.to_string()),
    }
}

/// The outputs asked for, or the two beside the input; refuses names that no format goes with.
fn outputs(arguments: &Arguments) -> Result<Outputs, Failure> {
    let beside = arguments.brain.is_none() && arguments.mask.is_none();
    let outputs = if beside {
        let stem = stem(&arguments.input);
        let sibling =
            |ending: &str| Some(arguments.input.with_file_name(format!("{stem}{ending}")));
        Outputs {
            brain: sibling("_brain.nii.gz"),
            mask: sibling("_brain_mask.nii.gz"),
        }
    } else {
        Outputs {
            brain: arguments.brain.clone(),
            mask: arguments.mask.clone(),
        }
    };
    for path in outputs
        .brain
        .iter()
        .chain(&outputs.mask)
        .chain(&arguments.prob)
    {
        check_output_name(path).map_err(|cause| Failure::Output(cause.to_string()))?;
    }
    Ok(outputs)
}

/// Refuses outputs that could not be written in the end, before any work is done or any file is written.
fn check_writable(arguments: &Arguments, outputs: &Outputs) -> Result<(), Failure> {
    let images = outputs.brain.iter().chain(&outputs.mask);
    let report = arguments.json.iter().filter(|path| *path != Path::new("-"));
    for path in images.chain(&arguments.prob).chain(report) {
        endocast::output::check(path).map_err(|cause| {
            Failure::Output(format!("{}: cannot write: {cause}", path.display()))
        })?;
    }
    Ok(())
}

/// The file name without what tells its format.
fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let lower = name.to_ascii_lowercase();
    let ending = [".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img"]
        .into_iter()
        .find(|ending| lower.ends_with(ending))
        .unwrap_or("");
    name[..name.len() - ending.len()].to_string()
}

fn write(
    scan: &Scan,
    extraction: &Extraction,
    outputs: &Outputs,
    prob: Option<&Path>,
) -> Result<(), Failure> {
    let failed = |cause: endocast::volume::Error| Failure::Output(cause.to_string());
    if let Some(path) = &outputs.mask {
        scan.write_mask(path, &extraction.mask).map_err(failed)?;
    }
    if let Some(path) = &outputs.brain {
        scan.write_brain(path, &extraction.mask).map_err(failed)?;
    }
    if let (Some(path), Some(map)) = (prob, &extraction.probabilities) {
        scan.write_f32(path, map).map_err(failed)?;
    }
    Ok(())
}

/// What is going on, on one line of a terminal.
struct Progress {
    shown: bool,
}

impl Progress {
    fn stage(&self, name: &str) {
        if self.shown {
            eprint!("\r\x1b[K{name} …");
            let _ = std::io::stderr().flush();
        }
    }

    fn done(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// What happened, for `--json` and for the terminal.
struct Report<'a> {
    arguments: &'a Arguments,
    outputs: &'a Outputs,
    scan: &'a Scan,
    extractor: &'a Extractor,
    extraction: &'a Extraction,
    options: &'a Options,
    /// Reading, loading the model, writing, everything.
    times: [Duration; 4],
}

impl Report<'_> {
    fn brain_ml(&self) -> f64 {
        let voxels = self
            .extraction
            .mask
            .iter()
            .filter(|&&voxel| voxel != 0)
            .count();
        voxels as f64 * self.scan.geometry().spacing.iter().product::<f64>() / 1000.0
    }

    fn print(&self) {
        let written = self
            .outputs
            .mask
            .iter()
            .chain(&self.outputs.brain)
            .chain(&self.arguments.prob);
        for path in written {
            eprintln!("{}", path.display());
        }
        let [.., total] = self.times;
        eprintln!(
            "brain {:.0} mL, {:.2} s",
            self.brain_ml(),
            total.as_secs_f64()
        );
    }

    fn to_json(&self) -> json::Value {
        let path = |path: &Option<PathBuf>| {
            path.as_ref()
                .map_or(json::Value::Null, |path| path.display().to_string().into())
        };
        let seconds = |time: Duration| json::Value::from(time.as_secs_f64());
        let geometry = self.scan.geometry();
        let [reading, loading, writing, total] = self.times;
        json::object([
            ("endocast", env!("CARGO_PKG_VERSION").into()),
            ("input", self.arguments.input.display().to_string().into()),
            ("brain", path(&self.outputs.brain)),
            ("mask", path(&self.outputs.mask)),
            ("probability", path(&self.arguments.prob)),
            ("model", self.extractor.model().name().into()),
            ("output", self.options.output.as_str().into()),
            (
                "shape",
                json::array(geometry.shape.map(|extent| extent as f64)),
            ),
            ("spacing_mm", json::array(geometry.spacing)),
            ("orientation", geometry.orientation().into()),
            ("volumes", (self.scan.volumes() as f64).into()),
            ("brain_ml", self.brain_ml().into()),
            ("threads", (self.options.threads as f64).into()),
            (
                "seconds",
                json::object([
                    ("read", seconds(reading)),
                    ("load", seconds(loading)),
                    ("pre", seconds(self.extraction.pre)),
                    ("network", seconds(self.extraction.network)),
                    ("post", seconds(self.extraction.post)),
                    ("write", seconds(writing)),
                    ("total", seconds(total)),
                ]),
            ),
            (
                "network_bytes",
                (self.extractor.session().bytes() as f64).into(),
            ),
        ])
    }
}
