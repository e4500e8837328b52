//! Standard output, whose reader may go away at any time.

use std::fmt::Arguments;
use std::io::{self, Write};

use super::Failure;

/// Writes what a command exists to write.
pub fn print(text: &[u8]) -> Result<(), Failure> {
    let written = io::stdout().write_all(text);
    written.map_err(|cause| Failure::Output(format!("standard output: {cause}")))
}

/// Writes to standard output; where nobody reads it any more, or it is full, the process ends with the exit
/// code of an output that cannot be written.
pub fn write(text: Arguments) {
    if let Err(error) = io::stdout().write_fmt(text) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            errln!("endocast: standard output: {error}");
        }
        std::process::exit(4);
    }
}

/// [`write`] in the manner of `print!`.
macro_rules! out {
    ($($part:tt)*) => { $crate::cli::stdout::write(format_args!($($part)*)) };
}

/// [`write`] in the manner of `println!`.
macro_rules! outln {
    () => { $crate::cli::stdout::write(format_args!("\n")) };
    ($($part:tt)*) => { $crate::cli::stdout::write(format_args!("{}\n", format_args!($($part)*))) };
}
