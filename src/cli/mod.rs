//! Command line: arguments, sub-commands, exit codes.

#[macro_use]
mod stderr;
#[macro_use]
mod stdout;

mod alias;
mod bench;
mod bids;
mod compare;
mod convert;
mod describe;
mod explain;
mod extract;
mod failure;
mod info;
mod json;
mod license;
mod manual;
mod model;
mod progress;
mod quantize;
mod replace;
mod selftest;
mod threads;
mod validate;

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

const ENVIRONMENT: &str = "\
Environment:
  ENDOCAST_MODEL   the model where there is no --model
  ENDOCAST_CPU     the most that is used of the processor: scalar, sse2, ssse3, avx2 and so on";

fn after_help() -> String {
    format!("{EXAMPLES}\n\n{ENVIRONMENT}\n\n{}", failure::EXIT_CODES)
}

#[derive(Parser)]
#[command(name = "endocast", version, about, after_help = after_help())]
#[command(
    override_usage = "endocast [extract] SCAN... [OPTIONS]\n       endocast COMMAND [OPTIONS]"
)]
#[command(arg_required_else_help = true)]
struct Arguments {
    /// Take the flags and write the file names of another tool: bet, hd-bet, mri_synthstrip or
    /// brain_mage_single_run
    #[arg(long = "as", value_name = "TOOL", num_args = 1.., allow_hyphen_values = true)]
    alias: Vec<OsString>,
    /// Print a description for programs that run programs
    #[arg(long, value_name = "FORMAT")]
    describe: Option<describe::Format>,
    /// Print the licences of the program and of the weights
    #[arg(long)]
    license: bool,
    #[command(subcommand)]
    command: Option<Command>,
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
    /// Turn a model into one with 8-bit convolutions, measured on scans.
    Quantize(quantize::Arguments),
    /// Score masks against references: a study with tables and a page.
    Validate(validate::Arguments),
    /// Check this program on this machine: every kernel, and the shipped model.
    Selftest(selftest::Arguments),
    /// Extract the brains of a BIDS dataset.
    Bids(Box<bids::Arguments>),
    /// Print the completions of the command line for a shell.
    Completions(manual::Completions),
    /// Print the manual page, of the program or of one command.
    Man(manual::Man),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match run(std::env::args_os().collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            errln!("endocast: {failure}");
            failure.exit_code()
        }
    }
}

/// Puts `extract` before a command line that begins with a scan or with an option of its, and a blank for the
/// sign in `--as=TOOL`.
fn words(mut words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let tool = words
        .get(1)
        .and_then(|word| word.to_str()?.strip_prefix("--as="));
    if let Some(tool) = tool.map(OsString::from) {
        words.splice(1..2, ["--as".into(), tool]);
    }
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

fn run(given: Vec<OsString>) -> Result<(), Failure> {
    let program = given.first().map(Path::new).and_then(Path::file_stem);
    let program = program.and_then(|name| name.to_str()).unwrap_or_default();
    if alias::is_tool(program) {
        return alias::run(program, given[1..].to_vec());
    }
    let arguments = Arguments::parse_from(words(given)?);
    if let Some((tool, rest)) = arguments.alias.split_first() {
        return alias::run(&tool.to_string_lossy(), rest.to_vec());
    }
    if let Some(format) = arguments.describe {
        return describe::run(format);
    }
    let Some(command) = arguments.command else {
        return license::run();
    };
    match command {
        Command::Extract(arguments) => extract::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
        Command::Bids(arguments) => bids::run(&arguments),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man(arguments) => manual::man(&arguments),
    }
}

/// This processor, capped by [`CPU_VARIABLE`].
fn cpu() -> Result<Cpu, Failure> {
    let cpu = Cpu::detect();
    match std::env::var(CPU_VARIABLE) {
        Ok(word) if !word.is_empty() => {
            let isa: Isa = word
                .parse()
                .map_err(|cause| Failure::Usage(format!("{CPU_VARIABLE}: {cause}")))?;
            Ok(cpu.capped(isa))
        }
        _ => Ok(cpu),
    }
}
