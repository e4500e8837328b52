//! One scan through the network, and its files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use endocast::volume::Scan;
use endocast::{Extractor, Options, extract, qc};

use super::super::Failure;
use super::super::progress::Progress;
use super::arguments::{Series, Settings};
use super::batch::Job;
use super::memory;
use super::outputs::is_stream;
use super::products::Products;
use super::report::{Report, Times};
use super::sidecar::{self, Provenance};

/// The network, made ready when the first scan has been read.
pub struct Worker<'a> {
    settings: &'a Settings,
    options: &'a Options,
    extractor: Option<Extractor>,
    provenance: Option<Provenance>,
}

impl<'a> Worker<'a> {
    /// For extractions with `options` by this thread and the pool that it belongs to.
    pub fn new(settings: &'a Settings, options: &'a Options) -> Worker<'a> {
        Worker {
            settings,
            options,
            extractor: None,
            provenance: None,
        }
    }

    /// Makes the files of one job; a warning if its mask looks wrong.
    pub fn run(&mut self, job: &Job, progress: &Progress) -> Result<Option<String>, Failure> {
        let name = job.input.display().to_string();
        let start = Instant::now();
        let options = memory::fit(job, self.settings, self.options)?;
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
        if let Some(note) = products.note(&job.outputs).filter(|_| !settings.quiet) {
            progress.interrupt(|| errln!("endocast: {name}: {note}"));
        }
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
        progress.interrupt(|| report.write())?;
        if let Some(path) = &job.outputs.sidecar {
            let make = || Provenance::new(extractor.model(), options.policy.cpu);
            let provenance = self.provenance.get_or_insert_with(make);
            sidecar::write(path, &report, provenance, &job.source)?;
        }
        if settings.verbose {
            progress.interrupt(|| report.print_all());
        } else if progress.is_shown() {
            progress.interrupt(|| report.print());
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
        let (input, volumes) = (input.display(), scan.volumes());
        progress.interrupt(|| errln!("endocast: {input}: taking the first of {volumes} volumes"));
    }
    Ok(scan)
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
