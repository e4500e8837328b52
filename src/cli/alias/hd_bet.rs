//! `hd-bet`, version 2 and the flags of version 1.

use std::path::{Path, PathBuf};

use super::super::Failure;
use super::super::extract::Outputs;
use super::words::Words;
use super::{Request, job, renamed, settings};

pub const HELP: &str = "\
hd-bet -i INPUT -o OUTPUT [options], as done by endocast

  -i, --input         scan ending in .nii.gz, or a folder of them
  -o, --output        brain ending in .nii.gz, which is added to a name without any suffix, or a
                      folder; by default <input>_bet.nii.gz
  --save_bet_mask     write the mask, <output>_bet.nii.gz
  --no_bet_image      do not write the brain
  --verbose           say more

Of version 1: -s, --save_mask 0|1 writes the mask as <output>_mask.nii.gz, -b, --bet 0|1 the
brain; --overwrite_existing 0|1. -device -mode -tta -pp and --disable_tta make no difference.
As version 1 does, -mode -tta or -pp without -s 0 write the mask too.";

const SUFFIX: &str = ".nii.gz";

/// What version 1 adds to the brain's name for the mask's.
const MASK_1: &str = "_mask.nii.gz";

/// Reads the words of `hd-bet`.
pub fn parse(words: &mut Words) -> Result<Request, Failure> {
    let mut settings = settings();
    let (mut input, mut output): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    let mut brain = true;
    let mut mask = None;
    let mut version_1 = false;
    while let Some(word) = words.next() {
        match word.to_str().unwrap_or_default() {
            "-h" | "--help" => return Ok(Request::Help),
            flag @ ("-i" | "--input") => input = Some(words.path(flag)?),
            flag @ ("-o" | "--output") => output = Some(words.path(flag)?),
            "--save_bet_mask" => mask = Some(Some("_bet.nii.gz")),
            "--no_bet_image" => brain = false,
            "--verbose" => settings.verbose = true,
            flag @ ("-s" | "--save_mask") => {
                mask = Some((words.number::<u8>(flag)? != 0).then_some(MASK_1));
            }
            flag @ ("-b" | "--bet") => brain = words.number::<u8>(flag)? != 0,
            flag @ "--overwrite_existing" => {
                settings.force = words.number::<u8>(flag)? != 0;
                settings.skip_existing = !settings.force;
            }
            "-device" => {
                if words.value("-device")? != "cpu" {
                    words.ignore("-device", "endocast computes on the processor");
                }
            }
            flag @ ("-mode" | "-tta" | "-pp") => {
                version_1 = true;
                words.value(flag)?;
                words.ignore(flag, "there is one network, run once");
            }
            "--disable_tta" => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let input = input.ok_or_else(|| words.wrong("-i is needed"))?;
    let mask = mask.unwrap_or(version_1.then_some(MASK_1));
    if !brain && mask.is_none() {
        return Err(words.wrong("--no_bet_image without --save_bet_mask leaves nothing to write"));
    }
    let outputs = |output: &Path, make_folders: bool| Outputs {
        brain: brain.then(|| output.into()),
        mask: mask.map(|ending| renamed(output, ending)),
        make_folders,
        ..Outputs::default()
    };
    let jobs = if input.is_dir() {
        let output = output.ok_or_else(|| words.wrong("a folder needs a folder as -o"))?;
        let scans = scans(&input)?;
        if scans.is_empty() {
            let cause = "no file in it ends in .nii.gz";
            return Err(Failure::input(&input, cause));
        }
        let jobs = scans.into_iter().map(|scan| {
            let name = scan.file_name().unwrap_or_default();
            let outputs = outputs(&output.join(name), true);
            job(scan, outputs)
        });
        jobs.collect::<Result<_, _>>()?
    } else {
        let mut output = output.unwrap_or_else(|| renamed(&input, "_bet.nii.gz"));
        if output.extension().is_none() {
            output.as_mut_os_string().push(SUFFIX);
        }
        if !output.to_string_lossy().ends_with(SUFFIX) {
            let output = output.display();
            return Err(words.wrong(format!("-o {output}: the name must end in {SUFFIX}")));
        }
        vec![job(input, outputs(&output, false))?]
    };
    Ok(Request::Extract {
        jobs,
        settings: Box::new(settings),
    })
}

/// The scans of a folder, in order of their names.
fn scans(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |cause: std::io::Error| Failure::input(folder, cause);
    let mut scans = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            scans.push(path);
        }
    }
    scans.sort();
    Ok(scans)
}
