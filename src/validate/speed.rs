//! How fast a variant is, and how much memory it takes.

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::Variant;
use crate::volume::Scan;

/// What to time.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Most threads.
    pub threads: usize,
    /// Most scans at once.
    pub streams: usize,
    /// Timed runs of each kind, after one that is not.
    pub repeats: usize,
}

/// Speed and size of one variant on one scan that is already in memory.
#[derive(Clone, Debug, Default)]
pub struct Speed {
    /// Threads, and the median seconds from the scan to its mask.
    pub latencies: Vec<(usize, f64)>,
    /// Scans at once, each on its share of the threads, and scans a minute.
    pub throughputs: Vec<(usize, f64)>,
    /// Bytes of the network's working memory and prepared weights.
    pub network_bytes: usize,
    /// Bytes of the model file.
    pub model_bytes: u64,
    /// Most bytes the whole process held in memory during one extraction on all threads, where the system
    /// tells (Linux).
    pub peak_bytes: Option<u64>,
}

impl Speed {
    /// Seconds per scan on the most threads.
    pub fn latency(&self) -> Option<f64> {
        self.latencies.last().map(|&(_, seconds)| seconds)
    }
}

/// 1, 2, 4, ... and `most`.
fn steps(most: usize) -> Vec<usize> {
    let mut steps: Vec<usize> = (0..).map(|n| 1 << n).take_while(|&n| n < most).collect();
    steps.push(most);
    steps
}

/// Times `variant` on `scan`.
///
/// # Errors
/// One line for a variant that cannot be built or a scan that it fails on.
pub fn measure(variant: &Variant, scan: &Scan, timing: Timing) -> Result<Speed, String> {
    let mut speed = Speed {
        model_bytes: variant.model_bytes,
        ..Speed::default()
    };
    let reset = reset_peak();
    let mut extractor = (variant.build)(timing.threads)?;
    extractor
        .extract(scan, false)
        .map_err(|cause| cause.to_string())?;
    speed.peak_bytes = if reset { peak() } else { None };
    speed.network_bytes = extractor.session().bytes();
    drop(extractor);
    for threads in steps(timing.threads) {
        let seconds = seconds(variant, scan, threads, timing.repeats)?;
        speed.latencies.push((threads, seconds));
    }
    for streams in steps(timing.streams) {
        let threads = (timing.threads / streams).max(1);
        let minute = throughput(variant, scan, streams, threads, timing.repeats)?;
        speed.throughputs.push((streams, minute));
    }
    Ok(speed)
}

/// Median time of one extraction.
fn seconds(variant: &Variant, scan: &Scan, threads: usize, repeats: usize) -> Result<f64, String> {
    let mut extractor = (variant.build)(threads)?;
    let mut times = Vec::new();
    for run in 0..=repeats {
        let start = Instant::now();
        extractor
            .extract(scan, false)
            .map_err(|cause| cause.to_string())?;
        if run > 0 {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0)
}

/// Scans a minute of `streams` extractors that run side by side, each on its own `threads`.
fn throughput(
    variant: &Variant,
    scan: &Scan,
    streams: usize,
    threads: usize,
    repeats: usize,
) -> Result<f64, String> {
    let mut extractors = Vec::new();
    for _ in 0..streams {
        let mut extractor = (variant.build)(threads)?;
        extractor
            .extract(scan, false)
            .map_err(|cause| cause.to_string())?;
        extractors.push(extractor);
    }
    let ready = Barrier::new(streams + 1);
    let start = thread::scope(|scope| {
        for extractor in &mut extractors {
            scope.spawn(|| {
                ready.wait();
                for _ in 0..repeats {
                    // The same scan went through before.
                    let _ = extractor.extract(scan, false);
                }
            });
        }
        ready.wait();
        Instant::now()
    });
    Ok((streams * repeats) as f64 / start.elapsed().as_secs_f64() * 60.0)
}

/// Forgets the process's peak of memory; whether the system can.
fn reset_peak() -> bool {
    cfg!(target_os = "linux") && fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The process's peak of memory in bytes.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
