//! The command lines of other tools: their flags, their file names, this network.
//!
//! What a flag asks for and cannot be done is an error; what makes no difference here is said and
//! ignored. Outputs replace older files, as the originals do.

mod bet;
mod brainmage;
mod hd_bet;
mod synthstrip;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Failure;
use super::extract::{Job, Outputs, Settings, run_batch};
use words::Words;

/// The other tool.
#[derive(Clone, Copy)]
struct Tool {
    name: &'static str,
    help: &'static str,
    parse: fn(&mut Words) -> Result<Request, Failure>,
}

const TOOLS: [Tool; 5] = [
    Tool {
        name: "bet",
        help: bet::HELP,
        parse: bet::parse,
    },
    Tool {
        name: "bet2",
        help: bet::HELP,
        parse: bet::parse,
    },
    Tool {
        name: "hd-bet",
        help: hd_bet::HELP,
        parse: hd_bet::parse,
    },
    Tool {
        name: "mri_synthstrip",
        help: synthstrip::HELP,
        parse: synthstrip::parse,
    },
    Tool {
        name: "brain_mage_single_run",
        help: brainmage::HELP,
        parse: brainmage::parse,
    },
];

/// What another tool's command line asks for.
enum Request {
    Extract {
        jobs: Vec<Job>,
        settings: Box<Settings>,
    },
    Help,
    Version,
}

/// Whether a program of this name stands for another tool.
pub fn is_tool(name: &str) -> bool {
    TOOLS.iter().any(|tool| tool.name == name)
}

/// Does what the tool `name` would do for the words that follow its name.
pub fn run(name: &str, words: Vec<OsString>) -> Result<(), Failure> {
    let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
        let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        return Err(Failure::Usage(format!(
            "--as {name}: known are {}",
            known.join(", ")
        )));
    };
    let mut words = Words::new(tool.name, words);
    match (tool.parse)(&mut words)? {
        Request::Help => outln!("{}", tool.help),
        Request::Version => outln!("{name} as done by endocast {}", env!("CARGO_PKG_VERSION")),
        Request::Extract { jobs, settings } => {
            if !settings.quiet {
                words.print_notes();
            }
            return run_batch(jobs, None, &settings);
        }
    }
    Ok(())
}

/// The settings that all tools start from.
fn settings() -> Settings {
    Settings {
        force: true,
        ..Settings::default()
    }
}

fn job(input: PathBuf, outputs: Outputs) -> Result<Job, Failure> {
    outputs.check_names()?;
    let source = input.display().to_string();
    Ok(Job {
        input,
        channels: Vec::new(),
        source,
        outputs,
    })
}

/// `path` with `ending` behind its name instead of the suffix of an image format.
fn renamed(path: &Path, ending: &str) -> PathBuf {
    let mut name = endocast::volume::stem(path);
    name.push(ending);
    path.with_file_name(name)
}
