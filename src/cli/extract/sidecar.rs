//! Where a mask came from, as JSON beside it.

use std::fs::File;
use std::path::Path;

use endocast::kernels::cpu::Cpu;
use endocast::weights::sha256_hex_of;

use super::super::{Failure, json};
use super::batch::Job;
use super::outputs::is_stream;
use super::report::Report;

/// What is the same for all scans of one run.
pub struct Provenance {
    command: String,
    program_sha256: json::Value,
    model_sha256: String,
    cpu: json::Value,
    instruction_sets: String,
}

impl Provenance {
    /// Reads the program and computes its checksum and that of the model's file.
    pub fn new(model: &endocast::weights::Model, cpu: Cpu) -> Provenance {
        let program = std::env::current_exe().and_then(|path| sha256_hex_of(File::open(path)?));
        let words: Vec<_> = std::env::args_os().collect();
        let words = words.iter().map(|word| word.to_string_lossy());
        Provenance {
            command: words.collect::<Vec<_>>().join(" "),
            program_sha256: program.map_or(json::Value::Null, json::Value::from),
            model_sha256: model.file_sha256(),
            cpu: processor().map_or(json::Value::Null, json::Value::from),
            instruction_sets: cpu
                .isas()
                .map(|isa| isa.name())
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// Name of the processor, where the system tells.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

/// Most memory this process ever held, in bytes, where the system tells.
fn peak_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024.0 * kibibytes)
}

/// Of an image's file; none of standard input.
fn checksum(path: &Path) -> Result<json::Value, Failure> {
    if is_stream(path) {
        return Ok(json::Value::Null);
    }
    let digest = File::open(path).and_then(sha256_hex_of);
    let digest = digest.map_err(|cause| Failure::input(path, format!("cannot read: {cause}")))?;
    Ok(digest.into())
}

/// Writes the sidecar of a finished scan; `sources` are what its mask was made from, as the reader
/// of the sidecar should see them.
pub fn write(
    path: &Path,
    report: &Report,
    provenance: &Provenance,
    source: &str,
) -> Result<(), Failure> {
    let Job {
        input, channels, ..
    } = report.job;
    let input_sha256 = checksum(input)?;
    let channels_sha256 = channels
        .iter()
        .map(|path| checksum(path))
        .collect::<Result<_, _>>()?;
    let channels = channels
        .iter()
        .map(|path| path.display().to_string().into());
    let sources = std::iter::once(source.into()).chain(channels);
    let plan = report.extractor.session().plan();
    let mut kernels: Vec<&str> = plan.convs.iter().flatten().map(|c| c.name()).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let settings = report.settings;
    let threshold = settings.threshold.map(f64::from);
    let value = json::object([
        ("Description", "Brain mask of a head scan".into()),
        ("Type", "Brain".into()),
        ("Sources", json::Value::Array(sources.collect())),
        ("SpatialReference", source.into()),
        ("InputSHA256", input_sha256),
        ("ChannelsSHA256", json::Value::Array(channels_sha256)),
        (
            "GeneratedBy",
            json::object([
                ("Name", "endocast".into()),
                ("Version", env!("CARGO_PKG_VERSION").into()),
                ("SHA256", provenance.program_sha256.clone()),
                ("CommandLine", provenance.command.as_str().into()),
            ]),
        ),
        (
            "Model",
            json::object([
                ("Name", report.extractor.model().name().into()),
                ("SHA256", provenance.model_sha256.as_str().into()),
                ("Output", report.options.output.as_str().into()),
                (
                    "Threshold",
                    threshold
                        .unwrap_or(report.extractor.model().preprocessing().threshold)
                        .into(),
                ),
            ]),
        ),
        ("BorderMillimetres", f64::from(settings.border).into()),
        (
            "Machine",
            json::object([
                ("Processor", provenance.cpu.clone()),
                (
                    "InstructionSets",
                    provenance.instruction_sets.as_str().into(),
                ),
                ("Threads", (report.options.threads as f64).into()),
                (
                    "Kernels",
                    json::Value::Array(kernels.into_iter().map(Into::into).collect()),
                ),
            ]),
        ),
        ("BrainMillilitres", report.brain_ml().into()),
        ("Quality", report.quality_json()),
        ("Seconds", report.times.to_json()),
        ("PeakMemoryBytes", peak_memory().into()),
    ]);
    json::write(path, &value)
}
