//! `endocast validate`: masks against references, for every model and other engines beside them.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use endocast::kernels::cpu::Isa;
use endocast::kernels::registry::Policy;
use endocast::validate::{
    self, External, FIGURES, Row, Settings, Speed, Study, Summary, Timing, Variant, list, report,
};
use endocast::{Extractor, Options};

use super::replace::Replace;
use super::threads::{Threads, limit};
use super::{Failure, cpu, json, model};

/// Command line of `validate`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Scans with reference masks: a list or a folder
    ///
    /// A list is a text file, a scan a line, cells separated by tabs, column names in the first line: scan
    /// and mask (paths, from the list's folder), and optionally name, reference (full or tight), contrast
    /// and site. A folder holds folders images and masks with files of the same names, or scans beside
    /// masks named <scan>_mask or <scan>_brain_mask.
    #[arg(value_name = "DIR|LIST.tsv")]
    scans: PathBuf,
    /// Folder for scans.csv, summary.csv, study.json and study.html; created if need be
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    replace: Replace,
    /// Models to validate, by name or file as everywhere; by default the one inside this program
    #[arg(long, value_name = "NAME|FILE")]
    model: Vec<PathBuf>,
    /// Other programs' masks, as NAME=DIR: DIR holds files named as the scans are
    #[arg(long, value_name = "NAME=DIR", value_parser = external)]
    also: Vec<External>,
    #[command(flatten)]
    threads: Threads,
    /// Most scans at once when timing; by default the number of threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    streams: Option<u16>,
    /// Timed runs of each kind; 0 for no timing
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeats: u16,
    /// Leave the pictures out of the page
    #[arg(long)]
    no_pictures: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// What a study is written to.
const FILES: [&str; 4] = ["scans.csv", "summary.csv", "study.json", "study.html"];

fn external(text: &str) -> Result<External, String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => Ok(External {
            name: name.into(),
            folder: folder.into(),
        }),
        _ => Err("not NAME=DIR".into()),
    }
}

/// Runs the study and writes its files.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cases = list::read(&arguments.scans).map_err(|cause| Failure::Input(cause.to_string()))?;
    let folder = &arguments.output;
    for name in FILES {
        arguments.replace.check(&folder.join(name))?;
    }
    for External { folder, .. } in &arguments.also {
        if !folder.is_dir() {
            return Err(Failure::input(folder, "not a folder"));
        }
    }
    fs::create_dir_all(folder)
        .and_then(|()| endocast::output::check(&folder.join("study.html")))
        .map_err(|cause| Failure::Output(format!("{}: cannot write: {cause}", folder.display())))?;
    let cpu = cpu()?;
    let threads = arguments.threads.count();
    limit(threads)?;
    let choices = choices(arguments);
    let mut variants = Vec::new();
    for choice in &choices {
        variants.push(variant(choice, cpu.into())?);
    }
    let settings = Settings {
        threads,
        timing: (arguments.repeats > 0).then(|| Timing {
            threads,
            streams: arguments.streams.map_or(threads, usize::from),
            repeats: arguments.repeats.into(),
        }),
        pictures: !arguments.no_pictures,
    };
    let shown = !arguments.quiet && std::io::stderr().is_terminal();
    let study = validate::run(cases, &variants, &arguments.also, settings, |stage| {
        if shown {
            err!("\r\x1b[K{stage} …");
            let _ = std::io::stderr().flush();
        }
    });
    if shown {
        err!("\r\x1b[K");
    }
    let isa = cpu.isas().last().map_or("", Isa::name).to_string();
    let facts = [
        ("program", format!("endocast {}", env!("CARGO_PKG_VERSION"))),
        ("instruction set", isa),
        ("threads", threads.to_string()),
        ("scans", arguments.scans.display().to_string()),
    ];
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        let written = endocast::output::write(&path, |file| file.write_all(text.as_bytes()));
        written.map_err(|cause| Failure::Output(format!("{}: {cause}", path.display())))
    };
    let texts = [
        report::scans_csv(&study),
        report::summary_csv(&study),
        format!("{}\n", to_json(&study)),
        report::page(&study, &facts),
    ];
    for (name, text) in FILES.into_iter().zip(texts) {
        write(name, text)?;
    }
    if !arguments.quiet {
        print(&study);
    }
    let failed = study.rows.iter().flatten().filter(|row| row.is_err());
    match failed.count() {
        0 => Ok(()),
        failed => Err(Failure::Batch(format!(
            "{failed} masks could not be made or read; {} says why",
            folder.join(FILES[0]).display()
        ))),
    }
}

/// The models to validate.
fn choices(arguments: &Arguments) -> Vec<model::Choice> {
    match arguments.model.as_slice() {
        [] => vec![model::Choice::default()],
        models => models.iter().map(|name| model::Choice::of(name)).collect(),
    }
}

/// A model as a column of the study; opened once now, so that a wrong file is told before any work.
fn variant(choice: &model::Choice, policy: Policy) -> Result<Variant<'_>, Failure> {
    let model = choice.open()?;
    Ok(Variant {
        name: choice.name(model.name()),
        model_bytes: model.file_len() as u64,
        build: Box::new(move |threads| {
            let model = choice.open().map_err(|failure| failure.to_string())?;
            let options = Options {
                threads,
                policy,
                ..Options::default()
            };
            Extractor::new(model, &options).map_err(|cause| cause.to_string())
        }),
    })
}

/// One line per column.
fn print(study: &Study) {
    outln!(
        "{:24} {:>6} {:>8} {:>12} {:>12} {:>14}",
        "masks",
        "scans",
        "failures",
        "median Dice",
        "worst Dice",
        "median HD95 mm"
    );
    for line in report::lines(study).iter().filter(|line| line.by == "all") {
        let [dice, hd95, ..] = &line.figures;
        let show = |summary: &Option<Summary>, of: fn(&Summary) -> f64, decimals: usize| {
            summary.as_ref().map_or_else(
                || "-".into(),
                |summary| format!("{:.decimals$}", of(summary)),
            )
        };
        outln!(
            "{:24} {:6} {:8} {:>12} {:>12} {:>14}",
            study.columns[line.column],
            line.scans,
            line.failures,
            show(dice, |dice| dice.median, 4),
            show(dice, |dice| dice.worst, 4),
            show(hd95, |hd95| hd95.median, 2),
        );
    }
}

fn to_json(study: &Study) -> json::Value {
    let columns = study.columns.iter().enumerate();
    let columns = columns.map(|(column, name)| {
        let speed = study
            .speeds
            .get(column)
            .map_or(json::Value::Null, |speed| match speed {
                Ok(speed) => speed_json(speed),
                Err(cause) => cause.as_str().into(),
            });
        json::object([("masks", name.as_str().into()), ("speed", speed)])
    });
    let scans = study.cases.iter().enumerate().map(|(index, case)| {
        let rows = study.columns.iter().zip(&study.rows);
        let rows = rows.map(|(name, rows)| row_json(name, &rows[index]));
        json::object([
            ("scan", case.name.as_str().into()),
            ("reference", case.reference.name().into()),
            ("contrast", case.contrast.as_str().into()),
            ("site", case.site.as_str().into()),
            ("masks", json::Value::Array(rows.collect())),
        ])
    });
    let groups = report::lines(study).into_iter().map(|line| {
        let figures = FIGURES.iter().zip(line.figures);
        let figures = figures.map(|(figure, summary)| (figure.name, summary_json(study, summary)));
        json::object([
            ("by", line.by.into()),
            ("group", line.group.into()),
            ("masks", study.columns[line.column].as_str().into()),
            ("scans", (line.scans as f64).into()),
            ("failures", (line.failures as f64).into()),
            ("poor", (line.poor as f64).into()),
            ("figures", json::Value::Object(figures.collect())),
        ])
    });
    let count = study.columns.len();
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| [a, b]));
    let tests = pairs.flat_map(|pair| {
        FIGURES.iter().filter_map(move |figure| {
            let test = study.compare(pair, figure)?;
            let [a, b] = pair.map(|column| study.columns[column].as_str());
            Some(json::object([
                ("masks", a.into()),
                ("against", b.into()),
                ("figure", figure.name.into()),
                ("pairs", (test.pairs as f64).into()),
                ("statistic", test.statistic.into()),
                ("p", test.p.into()),
                ("exact", json::Value::Bool(test.exact)),
            ]))
        })
    });
    json::object([
        ("endocast", env!("CARGO_PKG_VERSION").into()),
        ("columns", json::Value::Array(columns.collect())),
        ("scans", json::Value::Array(scans.collect())),
        ("groups", json::Value::Array(groups.collect())),
        ("wilcoxon", json::Value::Array(tests.collect())),
    ])
}

fn row_json(name: &str, row: &Result<Row, String>) -> json::Value {
    let mut fields = vec![("masks", name.into())];
    match row {
        Ok(Row {
            score,
            quality,
            seconds,
        }) => {
            fields.extend(
                FIGURES
                    .iter()
                    .map(|figure| (figure.name, (figure.of)(score).into())),
            );
            fields.extend([
                ("volume_ml", score.volume_ml.into()),
                ("reference_ml", score.reference_ml.into()),
                ("seconds", (*seconds).into()),
                ("qc_score", (*quality).into()),
            ]);
        }
        Err(cause) => fields.push(("failure", cause.as_str().into())),
    }
    json::Value::Object(fields)
}

fn summary_json(study: &Study, summary: Option<Summary>) -> json::Value {
    summary.map_or(json::Value::Null, |summary| {
        json::object([
            ("defined", (summary.count as f64).into()),
            ("mean", summary.mean.into()),
            ("sd", summary.sd.into()),
            ("median", summary.median.into()),
            ("worst", summary.worst.into()),
            (
                "worst_scan",
                study.cases[summary.worst_at].name.as_str().into(),
            ),
        ])
    })
}

fn speed_json(speed: &Speed) -> json::Value {
    let pairs = |pairs: &[(usize, f64)]| {
        json::Value::Array(
            pairs
                .iter()
                .map(|&(count, value)| json::array([count as f64, value]))
                .collect(),
        )
    };
    json::object([
        ("threads_seconds", pairs(&speed.latencies)),
        ("streams_scans_per_minute", pairs(&speed.throughputs)),
        ("model_bytes", (speed.model_bytes as f64).into()),
        ("network_bytes", (speed.network_bytes as f64).into()),
        (
            "peak_bytes",
            speed.peak_bytes.map(|bytes| bytes as f64).into(),
        ),
    ])
}
