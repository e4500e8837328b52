//! Why a command ended, and the exit code that says so.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use endocast::plan;

/// The table in the help text.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  2  the command line is wrong
  3  an input cannot be read or is not supported
  4  an output cannot be written, or exists
  5  more memory is needed than is allowed
  6  the model or the program is damaged
  7  no brain was found
  8  a kernel is slower than bench --assert allows
  10 outputs were written, but a mask looks wrong; --qc-exit 0 makes that a warning
  12 some scans of several failed";

/// A one-line message with its exit code.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 2.
    Usage(String),
    /// Exit code 3.
    Input(String),
    /// Exit code 4.
    Output(String),
    /// Exit code 5.
    Memory(String),
    /// Exit code 6.
    Model(String),
    /// Exit code 7.
    NoBrain(String),
    /// Exit code 8.
    Slow(String),
    /// Exit code 10: outputs were written, but a person should look at them.
    Suspicious(String),
    /// Exit code 12.
    Batch(String),
}

impl Failure {
    /// An unusable input file.
    pub fn input(path: &Path, cause: impl fmt::Display) -> Failure {
        Failure::Input(format!("{}: {cause}", path.display()))
    }

    /// A model that cannot be used.
    pub fn model(name: impl fmt::Display, cause: impl fmt::Display) -> Failure {
        Failure::Model(format!("{name}: {cause}"))
    }

    /// A network that cannot be run, or not on the grid that was asked for.
    pub fn plan(model: &str, cause: plan::Error) -> Failure {
        match cause {
            plan::Error::Grid { .. } => Failure::Usage(format!("model {model}: {cause}")),
            _ => Failure::model(model, cause),
        }
    }

    /// Some of `count` scans failed, each with a message of its own.
    pub fn batch(failed: usize, count: usize) -> Failure {
        Failure::Batch(format!("{failed} of {count} scans failed"))
    }

    /// Whether every other scan would meet the same failure.
    pub fn concerns_all(&self) -> bool {
        matches!(self, Failure::Usage(_) | Failure::Model(_))
    }

    /// See [`EXIT_CODES`].
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Usage(_) => 2,
            Failure::Input(_) => 3,
            Failure::Output(_) => 4,
            Failure::Memory(_) => 5,
            Failure::Model(_) => 6,
            Failure::NoBrain(_) => 7,
            Failure::Slow(_) => 8,
            Failure::Suspicious(_) => 10,
            Failure::Batch(_) => 12,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text)
            | Failure::Input(text)
            | Failure::Output(text)
            | Failure::Memory(text)
            | Failure::Model(text)
            | Failure::NoBrain(text)
            | Failure::Slow(text)
            | Failure::Suspicious(text)
            | Failure::Batch(text) => f.write_str(text),
        }
    }
}
