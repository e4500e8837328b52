//! One scan after another through one network.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use endocast::volume::Scan;
use endocast::{Extractor, Options, extract, qc};

use super::super::progress::Progress;
use super::super::{Failure, cpu, limit, threads};
use super::arguments::{Series, Settings};
use super::estimate;
use super::memory;
use super::outputs::{Outputs, is_stream};
use super::products::Products;
use super::report::{Report, Times};
use super::sidecar::{self, Provenance};

/// One scan and the files to make of it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The head scan.
    pub input: PathBuf,
    /// Other images of the head, for a model that reads several.
    pub channels: Vec<PathBuf>,
    /// What the sidecar calls it.
    pub source: String,
    /// The files.
    pub outputs: Outputs,
}

impl Job {
    /// All images that are read.
    pub fn inputs(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.input).chain(&self.channels)
    }
}

/// Works on all `jobs`. Of several, one that fails is reported and the others go on.
pub fn run(jobs: &[Job], settings: &Settings) -> Result<(), Failure> {
    check_names(jobs)?;
    check_existing(jobs, settings)?;
    if settings.dry_run {
        return announce(jobs, settings);
    }
    if settings.estimate {
        return estimate::run(jobs, settings);
    }
    let mut progress = Progress::new(jobs.len(), settings.quiet);
    let mut worker = Worker::new(settings)?;
    let (mut failed, mut suspicious) = (0, 0);
    for job in jobs {
        if is_done(job, settings) {
            if settings.verbose {
                progress.clear();
                eprintln!("{}: skipped, its outputs exist", job.input.display());
            }
            progress.next(false);
            continue;
        }
        match worker.run(job, &progress) {
            Ok(None) => {}
            Ok(Some(warning)) if jobs.len() == 1 && settings.qc_exit => {
                return Err(Failure::Suspicious(warning));
            }
            Ok(Some(warning)) => {
                if !settings.quiet {
                    eprintln!("endocast: {warning}");
                }
                suspicious += 1;
            }
            Err(failure) if jobs.len() == 1 || failure.concerns_all() => {
                progress.clear();
                return Err(failure);
            }
            Err(failure) => {
                progress.clear();
                eprintln!("endocast: {failure}");
                failed += 1;
            }
        }
        progress.next(true);
    }
    progress.clear();
    let count = jobs.len();
    if failed > 0 {
        Err(Failure::Batch(format!("{failed} of {count} scans failed")))
    } else if suspicious > 0 && settings.qc_exit {
        let cause = format!("{suspicious} of {count} masks look wrong");
        Err(Failure::Suspicious(cause))
    } else {
        Ok(())
    }
}

/// Refuses outputs that would replace one another or a scan.
fn check_names(jobs: &[Job]) -> Result<(), Failure> {
    let mut owners: HashMap<&Path, &Path> = HashMap::new();
    for job in jobs {
        check_terminal(&job.outputs)?;
        for path in job.outputs.files() {
            let many_reports = is_stream(path) && Some(path) == job.outputs.json.as_deref();
            let Some(other) = owners.insert(path, &job.input).filter(|_| !many_reports) else {
                continue;
            };
            return Err(Failure::Usage(format!(
                "{}: the output of both {} and {}; {{stem}} in its name makes it different",
                path.display(),
                other.display(),
                job.input.display()
            )));
        }
    }
    let inputs = jobs.iter().flat_map(Job::inputs);
    let inputs: HashSet<PathBuf> = inputs.filter_map(|path| path.canonicalize().ok()).collect();
    for path in jobs.iter().flat_map(|job| job.outputs.on_disk()) {
        if path.canonicalize().is_ok_and(|path| inputs.contains(&path)) {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "{path}: an input, which no output replaces"
            )));
        }
    }
    Ok(())
}

/// Refuses to replace files, unless asked to.
fn check_existing(jobs: &[Job], settings: &Settings) -> Result<(), Failure> {
    if settings.force || settings.skip_existing || settings.writes_nothing() {
        return Ok(());
    }
    let mut existing = jobs.iter().flat_map(|job| job.outputs.on_disk());
    match existing.find(|path| path.is_file()) {
        None => Ok(()),
        Some(path) => Err(Failure::Output(format!(
            "{}: exists; --force replaces it, --skip-existing leaves it",
            path.display()
        ))),
    }
}

/// Whether there is nothing left to do.
fn is_done(job: &Job, settings: &Settings) -> bool {
    let mut files = job.outputs.on_disk().peekable();
    settings.skip_existing && files.peek().is_some() && files.all(|path| path.exists())
}

/// Says what would be done.
fn announce(jobs: &[Job], settings: &Settings) -> Result<(), Failure> {
    for job in jobs {
        let what = if is_done(job, settings) {
            "skip"
        } else {
            "extract"
        };
        outln!("{what} {}", job.input.display());
        for path in job.outputs.files() {
            let replaced = if path.is_file() { " (exists)" } else { "" };
            outln!("  {}{replaced}", path.display());
        }
    }
    Ok(())
}

/// The network, made ready when the first scan has been read.
struct Worker<'a> {
    settings: &'a Settings,
    options: Options,
    extractor: Option<Extractor>,
    provenance: Option<Provenance>,
}

impl<'a> Worker<'a> {
    fn new(settings: &'a Settings) -> Result<Worker<'a>, Failure> {
        let options = options(settings)?;
        limit(options.threads)?;
        Ok(Worker {
            settings,
            options,
            extractor: None,
            provenance: None,
        })
    }

    /// Makes the files of one job; a warning if its mask looks wrong.
    fn run(&mut self, job: &Job, progress: &Progress) -> Result<Option<String>, Failure> {
        let name = job.input.display().to_string();
        let start = Instant::now();
        let options = memory::fit(job, self.settings, &self.options)?;
        progress.stage(&name, "reading");
        let read = |path: &PathBuf| read(path, self.settings, progress);
        let scans = job.inputs().map(read).collect::<Result<Vec<_>, _>>()?;
        let scan = &scans[0];
        let reading = start.elapsed();
        job.outputs.check_writable()?;

        progress.stage(&name, "planning");
        let loading = Instant::now();
        let settings = self.settings;
        let extractor = ready(&mut self.extractor, settings, &options)?;
        let loading = loading.elapsed();

        progress.stage(&name, "extracting");
        let images: Vec<&Scan> = scans.iter().collect();
        let extraction = extractor.extract_channels(&images, job.outputs.prob.is_some());
        let extraction = extraction.map_err(|cause| failure(job, cause))?;
        let inspecting = Instant::now();
        let quality = qc::inspect(scan, &extraction.mask, extraction.certainty.as_ref())
            .map_err(|cause| Failure::input(&job.input, cause))?;
        let inspecting = inspecting.elapsed();

        progress.stage(&name, "writing");
        let writing = Instant::now();
        let products = Products::new(scan, &extraction, &job.outputs, settings)
            .map_err(|cause| failure(job, cause.into()))?;
        products.write(job)?;
        let times = Times {
            reading,
            loading,
            pre: extraction.pre,
            network: extraction.network,
            post: extraction.post,
            inspecting,
            writing: writing.elapsed(),
            total: start.elapsed(),
        };
        progress.clear();
        let report = Report {
            job,
            settings,
            options: &options,
            extractor,
            scan,
            mask: products.mask(),
            quality: &quality,
            times,
        };
        report.write()?;
        if let Some(path) = &job.outputs.sidecar {
            let make = || Provenance::new(extractor.model(), options.policy.cpu);
            let provenance = self.provenance.get_or_insert_with(make);
            sidecar::write(path, &report, provenance, &job.source)?;
        }
        if settings.verbose {
            report.print_all();
        } else if progress.is_shown() {
            report.print();
        }
        let warning = || {
            format!(
                "{name}: the mask looks wrong: {}",
                quality.warnings.join("; ")
            )
        };
        Ok(quality.is_suspicious().then(warning))
    }
}

/// What the command line asks of extractions.
pub fn options(settings: &Settings) -> Result<Options, Failure> {
    Ok(Options {
        threads: threads(settings.threads.map(usize::from)),
        policy: cpu()?.into(),
        threshold: settings.threshold,
        output: if settings.no_csf { "tissue" } else { "brain" }.into(),
    })
}

/// The extractor, made at the first call and when the memory asks for another.
fn ready<'a>(
    extractor: &'a mut Option<Extractor>,
    settings: &Settings,
    options: &Options,
) -> Result<&'a mut Extractor, Failure> {
    let is_same = |extractor: &Extractor| {
        let made_for = extractor.session().plan().options;
        made_for.threads == options.threads
            && made_for.policy.direct_only == options.policy.direct_only
    };
    if extractor.as_ref().is_some_and(is_same) {
        return Ok(extractor.as_mut().expect("one was found"));
    }
    *extractor = None;
    let model = settings.model.open()?;
    let name = model.name().to_string();
    let made = Extractor::new(model, options).map_err(|cause| match cause {
        extract::Error::Output(_) | extract::Error::Fixed => Failure::Usage(cause.to_string()),
        _ => Failure::model(&name, cause),
    })?;
    Ok(extractor.insert(made))
}

/// Reads a scan from a file or from standard input.
fn read(input: &Path, settings: &Settings, progress: &Progress) -> Result<Scan, Failure> {
    let four_d = settings.four_d();
    let scan = if is_stream(input) {
        if settings.volume == Some(Series::All) {
            let cause = "--volume all reads its input twice, which standard input does not allow";
            return Err(Failure::Usage(cause.into()));
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|cause| Failure::Input(format!("standard input: {cause}")))?;
        Scan::from_bytes(&bytes, "standard input", four_d)
    } else {
        Scan::read(input, four_d)
    };
    let scan = scan.map_err(|cause| Failure::Input(cause.to_string()))?;
    if scan.volumes() > 1 && settings.volume.is_none() && !settings.quiet {
        progress.clear();
        let input = input.display();
        eprintln!(
            "endocast: {input}: taking the first of {} volumes",
            scan.volumes()
        );
    }
    Ok(scan)
}

/// Refuses to fill a terminal with voxels.
fn check_terminal(outputs: &Outputs) -> Result<(), Failure> {
    let mut images = outputs
        .files()
        .filter(|path| Some(*path) != outputs.json.as_deref());
    if images.any(is_stream) && std::io::stdout().is_terminal() {
        let cause = "standard output is a terminal, which cannot show an image";
        return Err(Failure::Usage(cause.into()));
    }
    Ok(())
}

fn failure(job: &Job, cause: extract::Error) -> Failure {
    let input = &job.input;
    match cause {
        extract::Error::Post(endocast::post::Error::EmptyMask) => {
            Failure::NoBrain(format!("{}: {cause}", input.display()))
        }
        extract::Error::Pre(_) | extract::Error::Post(_) => Failure::input(input, cause),
        extract::Error::Output(_) | extract::Error::Fixed => Failure::Usage(cause.to_string()),
        extract::Error::Grid(index) => Failure::input(
            &job.channels[index - 1],
            format!("not on the grid of {}", input.display()),
        ),
        extract::Error::Channel(0, cause) => Failure::input(input, cause),
        extract::Error::Channel(index, cause) => Failure::input(&job.channels[index - 1], cause),
        extract::Error::Channels { .. } => {
            Failure::Usage(format!("{cause}; --channels names all but the first"))
        }
        _ => Failure::Model(cause.to_string()),
    }
}
