//! BrainMaGe's `brain_mage_single_run`.

use std::path::PathBuf;

use super::super::Failure;
use super::super::extract::Outputs;
use super::words::Words;
use super::{Request, job, settings};

pub const HELP: &str = "\
brain_mage_single_run -i INPUT -o MASK [-m BRAIN], as done by endocast

  -i, --input FILE      scan
  -o, --output FILE     write the mask (the original's -o is the mask)
  -m, --mask_path FILE  write the brain (the original's -m is the brain)
  -v, --version         print the version

-dev makes no difference. No registration is needed. The mask is uint8.";

/// Reads the words of `brain_mage_single_run`.
pub fn parse(words: &mut Words) -> Result<Request, Failure> {
    let mut input: Option<PathBuf> = None;
    let mut outputs = Outputs::default();
    while let Some(word) = words.next() {
        match word.to_str().unwrap_or_default() {
            "-h" | "--help" => return Ok(Request::Help),
            "-v" | "--version" => return Ok(Request::Version),
            flag @ ("-i" | "--input") => input = Some(words.path(flag)?),
            flag @ ("-o" | "--output") => outputs.mask = Some(words.path(flag)?),
            flag @ ("-m" | "--mask_path") => outputs.brain = Some(words.path(flag)?),
            flag @ ("-dev" | "--dev") => {
                if words.value(flag)? != "cpu" {
                    words.ignore(flag, "endocast computes on the processor");
                }
            }
            _ => return Err(words.unknown(&word)),
        }
    }
    let input = input.ok_or_else(|| words.wrong("-i is needed"))?;
    if outputs.mask.is_none() {
        return Err(words.wrong("-o, the mask, is needed"));
    }
    Ok(Request::Extract {
        jobs: vec![job(input, outputs)?],
        settings: Box::new(settings()),
    })
}
