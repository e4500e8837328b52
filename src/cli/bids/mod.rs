//! `endocast bids`: a whole BIDS dataset, as a BIDS app does it.

mod dataset;
mod group;
mod participant;

use std::path::PathBuf;

use super::Failure;
use super::extract::Settings;
use dataset::Dataset;

/// Command line of `bids`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Dataset to read
    bids_dir: PathBuf,
    /// Derivative dataset to write; made if absent
    output_dir: PathBuf,
    /// Extract brains, or make the table and the contact sheet of what was extracted
    #[arg(value_enum)]
    level: Level,
    /// Take only these participants, with or without "sub-"
    #[arg(long, alias = "participant_label", value_name = "LABEL", num_args = 1..)]
    participant_label: Vec<String>,
    /// Take only these sessions, with or without "ses-"
    #[arg(long, alias = "session_label", value_name = "LABEL", num_args = 1..)]
    session_label: Vec<String>,
    /// Kinds of anatomical images to take
    #[arg(long, value_name = "SUFFIX", num_args = 1.., default_values = ["T1w", "T2w", "FLAIR"])]
    suffix: Vec<String>,
    /// Accepted for other programs' sake; the dataset is not validated
    #[arg(long, alias = "skip_bids_validator")]
    skip_bids_validator: bool,
    #[command(flatten)]
    settings: Settings,
}

const EXAMPLES: &str = "\
Results that exist are left alone, so that a broken run can be started again; --force makes them anew.

Examples:
  endocast bids study study/derivatives/endocast participant
  endocast bids study out participant --participant-label 01 02 --suffix T1w
  endocast bids study out group";

#[derive(Clone, Copy, clap::ValueEnum)]
enum Level {
    Participant,
    Group,
}

/// Works on one level of the dataset.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let dataset = Dataset::open(&arguments.bids_dir)?;
    let (input, output) = (&arguments.bids_dir, &arguments.output_dir);
    if output
        .canonicalize()
        .is_ok_and(|output| input.canonicalize().is_ok_and(|input| input == output))
    {
        let output = output.display();
        let cause = "the dataset itself, which is only read; name a folder such as its derivatives/endocast";
        return Err(Failure::Usage(format!("{output}: {cause}")));
    }
    let selection = dataset::Selection {
        participants: &arguments.participant_label,
        sessions: &arguments.session_label,
        suffixes: &arguments.suffix,
    };
    let images = dataset.images(&selection)?;
    match arguments.level {
        Level::Participant => participant::run(
            &dataset,
            &images,
            &arguments.output_dir,
            &arguments.settings,
        ),
        Level::Group => group::run(&images, &arguments.output_dir),
    }
}
