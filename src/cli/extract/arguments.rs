//! The command line of `extract`.

use std::path::PathBuf;

use clap::ArgAction;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use endocast::volume::FourD;

use super::super::model;
use super::super::threads::Threads;
use super::inputs::Shard;

/// Command line of `extract`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Head scans, NIfTI (.nii, .nii.gz, .hdr/.img) or MGH (.mgz, .mgh); "-" is standard input
    #[arg(value_name = "SCAN")]
    pub inputs: Vec<PathBuf>,
    /// Also take the scans that a text file names, one on each line; "-" is standard input
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub list: Option<PathBuf>,
    /// Take only every N-th scan, from the I-th on: the part of one job among N
    #[arg(long, value_name = "I/N", help_heading = "Input")]
    pub shard: Option<Shard>,
    /// The other images of SCAN's head for a model that reads four at once; SCAN is its T1
    ///
    /// All four are on one grid. As in an output's name, {stem} and {dir} stand for SCAN's.
    #[arg(long, num_args = 3, value_names = ["T2", "T1CE", "FLAIR"], help_heading = "Input")]
    pub channels: Vec<PathBuf>,
    #[command(flatten)]
    pub templates: Templates,
    #[command(flatten)]
    pub settings: Settings,
}

const EXAMPLES: &str = "\
With several scans, {stem} in an output's name stands for the scan's name without its suffix, and
{dir} for its folder.

Examples:
  endocast head.nii.gz                         beside it: head_brain.nii.gz, head_brain_mask.nii.gz
  endocast head.nii.gz -m mask.nii.gz -b 2     only the mask, grown by 2 mm
  endocast *.nii.gz --out-dir masks --skip-existing
  endocast --list scans.txt --shard 3/10 -m '{dir}/{stem}_mask.nii.gz'
  endocast - -o - < head.nii > brain.nii";

/// Names of the outputs, in which `{stem}` and `{dir}` stand for parts of the input's.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "Output")]
pub struct Templates {
    /// Write the scan with everything but the brain set to zero; "-" is standard output
    #[arg(short = 'o', long, alias = "out", value_name = "FILE")]
    pub brain: Option<PathBuf>,
    /// Write the brain mask, 0 and 1
    ///
    /// Without any output, brain and mask are written beside the input, as <stem>_brain.nii.gz and
    /// <stem>_brain_mask.nii.gz.
    #[arg(short = 'm', long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// Write the brain probability of every voxel
    #[arg(long, value_name = "FILE")]
    pub prob: Option<PathBuf>,
    /// Write the signed distance to the brain's surface in mm, negative inside, before --border
    #[arg(short = 'd', long, value_name = "FILE")]
    pub sdt: Option<PathBuf>,
    /// Write the brain in a box that fits it, with 5 mm around
    #[arg(long, value_name = "FILE")]
    pub crop: Option<PathBuf>,
    /// Write the mask's surface in world mm: .obj or .gii
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Write a picture of three planes with the mask's outline, PNG
    #[arg(long, value_name = "FILE")]
    pub qc: Option<PathBuf>,
    /// Write a report on one line of JSON; "-" is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write where the mask came from beside it, as <mask>.json: checksums, version, options, times
    #[arg(long)]
    pub sidecar: bool,
    /// Folder for brain and mask under their usual names; made if absent
    #[arg(long, value_name = "DIR", conflicts_with_all = ["brain", "mask"])]
    pub out_dir: Option<PathBuf>,
}

/// How brains are extracted.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Settings {
    #[command(flatten)]
    pub model: model::Choice,
    /// Grow the mask by this distance in mm, or shrink it by a negative one
    #[arg(short, long, value_name = "MM", allow_negative_numbers = true, value_parser = millimetres,
        default_value_t = 0.0, hide_default_value = true, help_heading = "Brain")]
    pub border: f32,
    /// Least probability of a brain voxel; by default the model's own
    #[arg(long, value_name = "P", value_parser = probability, help_heading = "Brain")]
    pub threshold: Option<f32>,
    /// Leave out the cerebrospinal fluid around the brain
    #[arg(long, help_heading = "Brain")]
    pub no_csf: bool,
    /// Value of voxels outside the brain: a number, or "min" for the scan's least, if negative
    #[arg(long, value_name = "VALUE|min", allow_negative_numbers = true, value_parser = fill,
        help_heading = "Brain")]
    pub fill: Option<Fill>,
    /// Volume of a 4-D scan: its number from 0, "mean", or "all" to apply the mean's mask to every
    /// volume; by default the first
    #[arg(long, value_name = "N|mean|all", value_parser = series, help_heading = "Brain")]
    pub volume: Option<Series>,
    /// Exit code if a mask looks wrong, 10 or 0; its outputs are written all the same
    #[arg(long, value_name = "CODE", action = ArgAction::Set, value_parser = PossibleValuesParser::new(["10", "0"])
        .map(|code| code == "10"), default_value = "10", help_heading = "Running")]
    pub qc_exit: bool,
    #[command(flatten, next_help_heading = "Running")]
    pub threads: Threads,
    /// Scans worked on side by side, which share the threads: more scans a minute, and memory for each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "Running")]
    pub streams: Option<u16>,
    /// Take fewer threads or slower kernels so that no more memory than this is needed, and refuse scans that
    /// need more all the same
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Running")]
    pub max_ram: Option<u32>,
    /// Say how much memory each scan would take at most, and how long the network, and do nothing else
    #[arg(long, conflicts_with = "dry_run", help_heading = "Running")]
    pub estimate: bool,
    /// Replace outputs that exist
    #[arg(long, conflicts_with = "skip_existing", help_heading = "Running")]
    pub force: bool,
    /// Leave out scans whose outputs all exist, and replace what is incomplete
    #[arg(long, help_heading = "Running")]
    pub skip_existing: bool,
    /// Say what would be read and written, and do nothing
    #[arg(long, help_heading = "Running")]
    pub dry_run: bool,
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Running")]
    pub quiet: bool,
    /// Say more: model, kernels, and times of each scan
    #[arg(short, long, help_heading = "Running")]
    pub verbose: bool,
}

impl Settings {
    /// Whether outputs are only talked about.
    pub fn writes_nothing(&self) -> bool {
        self.dry_run || self.estimate
    }

    /// Scans worked on side by side.
    pub fn streams(&self) -> usize {
        self.streams.map_or(1, usize::from)
    }

    /// What to read of a series.
    pub fn four_d(&self) -> FourD {
        self.volume.map(Series::four_d).unwrap_or_default()
    }
}

/// Value of voxels outside the brain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// This real value.
    Value(f64),
    /// The least value of the scan, or 0 if that is positive.
    Minimum,
}

/// What to take of a 4-D scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// One image: a volume or the mean.
    One(FourD),
    /// The mask of the mean, applied to every volume.
    All,
}

impl Series {
    /// What to read for the network.
    pub fn four_d(self) -> FourD {
        match self {
            Series::One(four_d) => four_d,
            Series::All => FourD::Mean,
        }
    }
}

fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_string())?;
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err("not between 0 and 1".into())
    }
}

/// Farther than any head is wide.
pub const MAX_BORDER_MM: f32 = 500.0;

fn millimetres(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_string())?;
    if value.abs() <= MAX_BORDER_MM {
        Ok(value)
    } else {
        Err(format!("not between -{MAX_BORDER_MM} and {MAX_BORDER_MM}"))
    }
}

fn fill(text: &str) -> Result<Fill, String> {
    match (text, text.parse::<f64>()) {
        ("min", _) => Ok(Fill::Minimum),
        (_, Ok(value)) if value.is_finite() => Ok(Fill::Value(value)),
        _ => Err("neither a number nor \"min\"".into()),
    }
}

fn series(text: &str) -> Result<Series, String> {
    match text {
        "mean" => Ok(Series::One(FourD::Mean)),
        "all" => Ok(Series::All),
        _ => match text.parse() {
            Ok(number) => Ok(Series::One(FourD::Volume(number))),
            Err(_) => Err("neither a number nor \"mean\" or \"all\"".into()),
        },
    }
}
