//! The words of another tool's command line.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use super::super::Failure;

/// Words still to be read, and what the user should know about those that were.
pub struct Words {
    tool: &'static str,
    rest: VecDeque<OsString>,
    notes: Vec<String>,
}

impl Words {
    /// The words after the name of `tool`.
    pub fn new(tool: &'static str, words: Vec<OsString>) -> Words {
        Words {
            tool,
            rest: words.into(),
            notes: Vec::new(),
        }
    }

    /// The next word. Of `--flag=value` the value becomes the word after it.
    pub fn next(&mut self) -> Option<OsString> {
        let word = self.rest.pop_front()?;
        let text = word.to_str().filter(|text| text.starts_with("--"));
        if let Some((flag, value)) = text.and_then(|text| text.split_once('=')) {
            self.rest.push_front(value.into());
            return Some(flag.into());
        }
        Some(word)
    }

    /// The word after `flag`.
    pub fn value(&mut self, flag: &str) -> Result<OsString, Failure> {
        let value = self.rest.pop_front();
        value.ok_or_else(|| self.wrong(format!("{flag} needs a value")))
    }

    /// The path after `flag`.
    pub fn path(&mut self, flag: &str) -> Result<PathBuf, Failure> {
        self.value(flag).map(PathBuf::from)
    }

    /// The number, or other value of a type that can be read, after `flag`.
    pub fn number<T: FromStr>(&mut self, flag: &str) -> Result<T, Failure> {
        let value = self.value(flag)?;
        let number = value.to_str().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.wrong(format!("{flag} {}: not a number", value.display())))
    }

    /// Notes that `flag` makes no difference, and why.
    pub fn ignore(&mut self, flag: &str, reason: &str) {
        let tool = self.tool;
        self.notes
            .push(format!("{tool} {flag} is ignored: {reason}"));
    }

    /// A command line that cannot be obeyed.
    pub fn wrong(&self, cause: impl std::fmt::Display) -> Failure {
        Failure::Usage(format!("{}: {cause}", self.tool))
    }

    /// A word that the tool does not know either.
    pub fn unknown(&self, word: &OsString) -> Failure {
        self.wrong(format!("unknown option {}; see -h", word.display()))
    }

    /// Prints what was noted.
    pub fn print_notes(&self) {
        for note in &self.notes {
            errln!("endocast: {note}");
        }
    }
}
