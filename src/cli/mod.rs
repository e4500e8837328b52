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
mod selftest;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use endocast::kernels::cpu::{Cpu, Isa};

pub use failure::Failure;

/// Environment variable that caps the instruction set.
const CPU_VARIABLE: &str = "ENDOCAST_CPU";

#[derive(Parser)]
#[command(name = "endocast", version, about, after_help = failure::EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Extract the brain from a head scan.
    Extract(extract::Arguments),
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
    let done = match Arguments::parse().command {
        Command::Extract(arguments) => extract::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("endocast: {failure}");
            failure.exit_code()
        }
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
