//! Many scans, one after another or several side by side.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use endocast::Options;
use rayon::ThreadPoolBuilder;

use super::super::progress::Progress;
use super::super::replace::is_taken;
use super::super::threads::{limit, no_threads};
use super::super::{Failure, cpu};
use super::arguments::Settings;
use super::estimate;
use super::inputs::Shard;
use super::names;
use super::outputs::Outputs;
use super::worker::Worker;

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

/// Works on all `jobs`, or a `shard` of them. Of several, one that fails is reported and the others go on.
pub fn run(jobs: Vec<Job>, shard: Option<Shard>, settings: &Settings) -> Result<(), Failure> {
    names::check(&jobs)?;
    let jobs = match shard {
        Some(shard) => shard.of(jobs),
        None => jobs,
    };
    let jobs = &jobs[..];
    names::check_existing(jobs, settings)?;
    if settings.dry_run {
        return announce(jobs, settings);
    }
    let mut options = options(settings)?;
    let streams = (settings.streams().min(options.threads).min(jobs.len())).max(1);
    options.threads /= streams;
    let settings = &Settings {
        streams: u16::try_from(streams).ok(),
        ..settings.clone()
    };
    if settings.estimate {
        return estimate::run(jobs, settings, &options);
    }
    let batch = Batch {
        jobs,
        settings,
        progress: Progress::new(jobs.len(), settings.quiet),
        taken: AtomicUsize::new(0),
        left: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
        suspicious: AtomicUsize::new(0),
    };
    match streams {
        1 => {
            limit(options.threads)?;
            batch.work(&options)?;
        }
        _ => batch.split(streams, &options)?,
    }
    batch.progress.interrupt(|| ());
    batch.verdict()
}

/// What the command line asks of extractions.
fn options(settings: &Settings) -> Result<Options, Failure> {
    Ok(Options {
        threads: settings.threads.count(),
        policy: cpu()?.into(),
        threshold: settings.threshold,
        output: if settings.no_csf { "tissue" } else { "brain" }.into(),
    })
}

/// Scans that are worked off, by one thread or by several that each take the next.
struct Batch<'a> {
    jobs: &'a [Job],
    settings: &'a Settings,
    progress: Progress,
    /// Scans that a thread has taken.
    taken: AtomicUsize,
    /// Scans whose outputs were there.
    left: AtomicUsize,
    failed: AtomicUsize,
    suspicious: AtomicUsize,
}

impl Batch<'_> {
    /// Works on `streams` scans side by side, each as `options` say.
    fn split(&self, streams: usize, options: &Options) -> Result<(), Failure> {
        let stream = || {
            let pool = ThreadPoolBuilder::new().num_threads(options.threads);
            let _pool = pool.use_current_thread().build().map_err(no_threads)?;
            self.work(options)
        };
        thread::scope(|scope| {
            let streams: Result<Vec<_>, _> = (0..streams)
                .map(|_| thread::Builder::new().spawn_scoped(scope, stream))
                .collect();
            let streams = streams.map_err(no_threads)?;
            let mut ends = streams.into_iter().map(|stream| stream.join());
            ends.try_for_each(|end| end.unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// Takes scans until none is left, or one shows what every other would meet.
    fn work(&self, options: &Options) -> Result<(), Failure> {
        let mut worker = Worker::new(self.settings, options);
        while let Some(job) = self.jobs.get(self.taken.fetch_add(1, Ordering::Relaxed)) {
            if let Err(failure) = self.work_on(job, &mut worker) {
                self.taken.store(self.jobs.len(), Ordering::Relaxed);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// The failure of one among several is only told and counted.
    fn work_on(&self, job: &Job, worker: &mut Worker) -> Result<(), Failure> {
        let Batch {
            jobs,
            settings,
            progress,
            ..
        } = self;
        if is_done(job, settings) {
            if settings.verbose {
                let input = job.input.display();
                progress.interrupt(|| errln!("{input}: skipped, its outputs exist"));
            }
            progress.next(false);
            self.left.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        match worker.run(job, progress) {
            Ok(None) => {}
            Ok(Some(warning)) if jobs.len() == 1 && settings.qc_exit => {
                return Err(Failure::Suspicious(warning));
            }
            Ok(Some(warning)) => {
                if !settings.quiet {
                    progress.interrupt(|| errln!("endocast: {warning}"));
                }
                self.suspicious.fetch_add(1, Ordering::Relaxed);
            }
            Err(failure) if jobs.len() == 1 || failure.concerns_all() => {
                progress.interrupt(|| ());
                return Err(failure);
            }
            Err(failure) => {
                progress.interrupt(|| errln!("endocast: {failure}"));
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        progress.next(true);
        Ok(())
    }

    /// What became of all scans.
    fn verdict(self) -> Result<(), Failure> {
        let count = self.jobs.len();
        let left = self.left.into_inner();
        if left > 0 && !self.settings.quiet {
            errln!("{left} of {count} scans were left alone: their outputs exist");
        }
        let failed = self.failed.into_inner();
        let suspicious = self.suspicious.into_inner();
        if failed > 0 {
            Err(Failure::batch(failed, count))
        } else if suspicious > 0 && self.settings.qc_exit {
            let cause = format!("{suspicious} of {count} masks look wrong");
            Err(Failure::Suspicious(cause))
        } else {
            Ok(())
        }
    }
}

/// Whether there is nothing left to do.
fn is_done(job: &Job, settings: &Settings) -> bool {
    settings.skip_existing && job.outputs.exist()
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
            let replaced = if is_taken(path) { " (exists)" } else { "" };
            outln!("  {}{replaced}", path.display());
        }
    }
    Ok(())
}
