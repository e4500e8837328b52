//! FSL's `bet` and `bet2`.

use std::path::{Path, PathBuf};

use super::super::Failure;
use super::super::extract::{Outputs, Series};
use super::words::Words;
use super::{Request, job, renamed, settings};

pub const HELP: &str = "\
bet <input> [<output>] [options], as done by endocast

  -m         write the mask, <output>_mask
  -n         do not write the brain, <output>
  -F         one mask, from the mean, for all volumes of a series
  -v         say more

The output's default name is <input>_brain; FSLOUTPUTTYPE says in which form. -f -g -r -c -w -R -S
-B -Z -t and -d are accepted and make no difference. -o -s -e -A -A2 and --ct are refused.";

const NO_HINT: &str = "the network needs no hint";

/// Reads the words of `bet`.
pub fn parse(words: &mut Words) -> Result<Request, Failure> {
    let mut settings = settings();
    let mut names: Vec<PathBuf> = Vec::new();
    let (mut mask, mut brain) = (false, true);
    while let Some(word) = words.next() {
        match word.to_str().unwrap_or_default() {
            "-h" | "--help" => return Ok(Request::Help),
            "-m" => mask = true,
            "-n" => brain = false,
            "-F" => settings.volume = Some(Series::All),
            "-v" => settings.verbose = true,
            flag @ ("-f" | "-g" | "-r" | "-w") => {
                words.number::<f64>(flag)?;
                words.ignore(flag, NO_HINT);
            }
            "-c" => {
                for _ in 0..3 {
                    words.number::<f64>("-c")?;
                }
                words.ignore("-c", NO_HINT);
            }
            flag @ ("-R" | "-S" | "-B" | "-Z") => words.ignore(flag, NO_HINT),
            flag @ ("-t" | "-d") => words.ignore(flag, "there is nothing between input and mask"),
            flag @ ("-o" | "-s" | "-e" | "-A" | "-A2") => {
                let cause = format!("{flag} asks for an output that endocast does not make");
                return Err(words.wrong(cause));
            }
            "--ct" => return Err(words.wrong("--ct: the network does not know CT")),
            text if text.starts_with('-') && text.len() > 1 => return Err(words.unknown(&word)),
            _ => names.push(word.into()),
        }
    }
    let (input, output) = match &names[..] {
        [input] => (input, renamed(input, "_brain")),
        [input, output] => (input, renamed(output, "")),
        _ => return Err(words.wrong("an input and at most one output are needed; see -h")),
    };
    if !brain && !mask {
        return Err(words.wrong("-n without -m leaves nothing to write"));
    }
    let suffix = suffix(words)?;
    let outputs = Outputs {
        brain: brain.then(|| with_ending(&output, suffix)),
        mask: mask.then(|| with_ending(&output, &format!("_mask{suffix}"))),
        ..Outputs::default()
    };
    Ok(Request::Extract {
        jobs: vec![job(find(input), outputs)?],
        settings: Box::new(settings),
    })
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The file of this name, or of this name and an image suffix.
fn find(name: &Path) -> PathBuf {
    let suffixes = ["", ".nii.gz", ".nii", ".img.gz", ".hdr.gz", ".img", ".hdr"];
    let mut candidates = suffixes.into_iter().map(|suffix| with_ending(name, suffix));
    candidates
        .find(|path| path.is_file())
        .unwrap_or(name.into())
}

/// The suffix that goes with the environment's `FSLOUTPUTTYPE`.
fn suffix(words: &Words) -> Result<&'static str, Failure> {
    match std::env::var("FSLOUTPUTTYPE").as_deref() {
        Err(_) | Ok("NIFTI_GZ" | "") => Ok(".nii.gz"),
        Ok("NIFTI") => Ok(".nii"),
        Ok("NIFTI_PAIR") => Ok(".img"),
        Ok("NIFTI_PAIR_GZ") => Ok(".img.gz"),
        Ok(other) => Err(words.wrong(format!("FSLOUTPUTTYPE {other} is not supported"))),
    }
}
