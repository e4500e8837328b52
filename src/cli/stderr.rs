//! Standard error, which may be full or closed: what cannot be said there ends no run.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes to standard error, if it takes anything.
pub fn write(text: Arguments) {
    let _ = io::stderr().write_fmt(text);
}

/// [`write`] in the manner of `eprint!`.
macro_rules! err {
    ($($part:tt)*) => { $crate::cli::stderr::write(format_args!($($part)*)) };
}

/// [`write`] in the manner of `eprintln!`.
macro_rules! errln {
    ($($part:tt)*) => { $crate::cli::stderr::write(format_args!("{}\n", format_args!($($part)*))) };
}
