//! FreeSurfer's `mri_synthstrip`.

use std::path::PathBuf;

use super::super::Failure;
use super::super::extract::{Fill, MAX_BORDER_MM, Outputs};
use super::words::Words;
use super::{Request, job, settings};

pub const HELP: &str = "\
mri_synthstrip -i IMAGE [-o OUT] [-m MASK] [-d SDT] [options], as done by endocast

  -i, --image FILE    scan
  -o, --out FILE      write the brain
  -m, --mask FILE     write the mask
  -d, --sdt FILE      write the signed distance in mm
  -b, --border MM     the mask ends this far outside the surface (1)
  -f, --fill VALUE    value outside the brain; by default the least of the image and 0
  -t, --threads N     threads
  --no-csf            leave out the fluid around the brain
  -v, --version       print the version

-g makes no difference; --model and .mgz outputs are refused. Of a series only the first volume is taken.";

/// The original's.
const BORDER_MM: f32 = 1.0;

/// Reads the words of `mri_synthstrip`.
pub fn parse(words: &mut Words) -> Result<Request, Failure> {
    let mut settings = settings();
    settings.border = BORDER_MM;
    settings.fill = Some(Fill::Minimum);
    let mut input: Option<PathBuf> = None;
    let mut outputs = Outputs::default();
    while let Some(word) = words.next() {
        match word.to_str().unwrap_or_default() {
            "-h" | "--help" => return Ok(Request::Help),
            "-v" | "--version" => return Ok(Request::Version),
            flag @ ("-i" | "--image") => input = Some(words.path(flag)?),
            flag @ ("-o" | "--out") => outputs.brain = Some(words.path(flag)?),
            flag @ ("-m" | "--mask") => outputs.mask = Some(words.path(flag)?),
            flag @ ("-d" | "--sdt") => outputs.sdt = Some(words.path(flag)?),
            flag @ ("-b" | "--border") => settings.border = words.number(flag)?,
            flag @ ("-f" | "--fill") => settings.fill = Some(Fill::Value(words.number(flag)?)),
            flag @ ("-t" | "--threads") => settings.threads.requested = Some(words.number(flag)?),
            "--no-csf" => settings.no_csf = true,
            flag @ ("-g" | "--gpu") => words.ignore(flag, "endocast computes on the processor"),
            "--model" => {
                let cause = "--model: SynthStrip's weights do not fit endocast's network";
                return Err(words.wrong(cause));
            }
            _ => return Err(words.unknown(&word)),
        }
    }
    let input = input.ok_or_else(|| words.wrong("-i is needed"))?;
    if outputs == Outputs::default() {
        return Err(words.wrong("one of -o, -m and -d is needed"));
    }
    if settings.border.is_nan() || settings.border.abs() > MAX_BORDER_MM {
        return Err(words.wrong(format!("-b: not within {MAX_BORDER_MM} mm")));
    }
    if settings.threads.requested == Some(0) {
        return Err(words.wrong("-t: at least one thread is needed"));
    }
    if matches!(settings.fill, Some(Fill::Value(value)) if !value.is_finite()) {
        return Err(words.wrong("-f: not a finite number"));
    }
    Ok(Request::Extract {
        jobs: vec![job(input, outputs)?],
        settings: Box::new(settings),
    })
}
