//! Command line: arguments, sub-commands, exit codes.

mod bench;
mod compare;
mod convert;
mod explain;
mod extract;
mod failure;
mod info;
mod json;
mod model;
mod progress;
mod selftest;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use endocast::kernels::cpu::{Cpu, Isa};

pub use failure::Failure;

/// Environment variable that caps the instruction set.
const CPU_VARIABLE: &str = "ENDOCAST_CPU";

const EXAMPLES: &str = "\
Examples:
  endocast head.nii.gz                    writes head_brain.nii.gz and head_brain_mask.nii.gz
  endocast head.nii.gz -m mask.nii.gz     writes the mask only
  endocast extract --help                 lists every option";

fn after_help() -> String {
    format!("{EXAMPLES}\n\n{}", failure::EXIT_CODES)
}

#[derive(Parser)]
#[command(name = "endocast", version, about, after_help = after_help())]
#[command(
    override_usage = "endocast [extract] SCAN... [OPTIONS]\n       endocast COMMAND [OPTIONS]"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Extract the brain from a head scan.
    Extract(Box<extract::Arguments>),
    /// Convert a training checkpoint to a model file.
    Convert(convert::Arguments),
    /// Describe a model file.
    Info(info::Arguments),
    /// Say which kernel runs each layer on this machine, and why.
    Explain(explain::Arguments),
    /// Time the network, layer by layer.
    Bench(bench::Arguments),
    /// Compare two masks: overlap, surface distances, volumes.
    Compare(compare::Arguments),
    /// Check this program on this machine: every kernel, and the shipped model.
    Selftest(selftest::Arguments),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match words(std::env::args_os().collect()).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("endocast: {failure}");
            failure.exit_code()
        }
    }
}

/// Puts `extract` before a command line that begins with a scan or with an option of its.
fn words(mut words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let mut known = Arguments::command();
    known.build();
    let Some(first) = words.get(1).map(|word| word.to_string_lossy()) else {
        return Ok(words);
    };
    let option = first.split('=').next().unwrap_or_default();
    let is_own = known.find_subcommand(&*first).is_some()
        || known.get_arguments().any(|argument| {
            let long = argument.get_long().map(|name| format!("--{name}"));
            let short = argument.get_short().map(|letter| format!("-{letter}"));
            long.as_deref() == Some(option) || short.as_deref() == Some(option)
        });
    if is_own {
        return Ok(words);
    }
    let path = Path::new(&words[1]);
    let is_name = first.starts_with('-') || first.contains(['.', '/', '\\']) || path.exists();
    if !is_name {
        return Err(Failure::Usage(format!(
            "'{first}' is neither a command nor a file; see endocast --help"
        )));
    }
    words.insert(1, "extract".into());
    Ok(words)
}

fn run(words: Vec<OsString>) -> Result<(), Failure> {
    match Arguments::parse_from(words).command {
        Command::Extract(arguments) => extract::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
    }
}

/// This processor, capped by [`CPU_VARIABLE`].
fn cpu() -> Result<Cpu, Failure> {
    let cpu = Cpu::detect();
    match std::env::var(CPU_VARIABLE) {
        Ok(word) => {
            let isa: Isa = word
                .parse()
                .map_err(|cause| Failure::Usage(format!("{CPU_VARIABLE}: {cause}")))?;
            Ok(cpu.capped(isa))
        }
        Err(_) => Ok(cpu),
    }
}

/// Threads to use: `requested`, or the processors this process may run on.
fn threads(requested: Option<usize>) -> usize {
    requested.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |count| count.get()))
}
