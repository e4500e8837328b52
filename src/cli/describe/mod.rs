//! `endocast --describe`: the command line for programs that run programs, made from its own
//! definition.

mod boutiques;
mod nipype;

use clap::{Arg, Args, Command};

use super::stdout::print;
use super::{Failure, extract};

/// For whom.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Format {
    /// A Boutiques descriptor, schema 0.5
    Boutiques,
    /// A Python module with a nipype interface
    Nipype,
}

/// Options that one scan on a compute node does not need.
const LEFT_OUT: [&str; 10] = [
    "list",
    "shard",
    "channels",
    "out_dir",
    "sidecar",
    "dry_run",
    "estimate",
    "streams",
    "verbose",
    "skip_existing",
];

/// Options whose value is a number.
const NUMBERS: [&str; 3] = ["border", "threshold", "threads"];

/// Prints the description.
pub fn run(format: Format) -> Result<(), Failure> {
    let command = extract::Arguments::augment_args(Command::new("extract"));
    let options: Vec<Arg> = command
        .get_arguments()
        .filter(|option| option.get_id() != "inputs")
        .filter(|option| !LEFT_OUT.contains(&option.get_id().as_str()))
        .cloned()
        .collect();
    let text = match format {
        Format::Boutiques => format!("{}\n", boutiques::descriptor(&options)),
        Format::Nipype => nipype::module(&options),
    };
    print(text.as_bytes())
}

fn is_output(option: &Arg) -> bool {
    option.get_help_heading() == Some("Output")
}

fn description(option: &Arg) -> String {
    option
        .get_help()
        .map(|help| help.to_string())
        .unwrap_or_default()
}
