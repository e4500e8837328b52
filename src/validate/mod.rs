//! A study of masks against references: every scan, every variant of the engine, and other engines' masks
//! beside them.
//!
//! [`list::read`] finds the scans, [`run`] scores them, [`report`] writes tables and a page. A scan that
//! cannot be read, or that a variant fails on, is a row with its cause.

pub mod list;
pub mod report;
mod run;
mod score;
pub mod speed;
mod statistics;
mod wilcoxon;

use std::path::PathBuf;

use crate::Extractor;

pub use list::{Case, Reference};
pub use run::{Settings, run};
pub use score::{FIGURES, Figure, Score};
pub use speed::{Speed, Timing};
pub use statistics::{Summary, Worst};
pub use wilcoxon::{Wilcoxon, wilcoxon};

/// A model at one precision.
pub struct Variant<'a> {
    /// For tables and legends.
    pub name: String,
    /// Bytes of the model file.
    pub model_bytes: u64,
    /// Makes an extractor on so many threads, or says in one line why not.
    pub build: Box<dyn Fn(usize) -> Result<Extractor, String> + 'a>,
}

/// Masks that another program made: files named as the scans are in the list, in a folder.
#[derive(Clone, Debug)]
pub struct External {
    /// For tables and legends.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
}

/// What became of one scan in one column of the study.
#[derive(Clone, Debug)]
pub struct Row {
    /// Agreement with the reference.
    pub score: Score,
    /// Score of [`crate::qc`], without looking at the reference.
    pub quality: Option<f64>,
    /// Seconds from the scan in memory to its mask; `None` for other programs' masks.
    pub seconds: Option<f64>,
}

/// A study's results.
pub struct Study {
    /// The scans.
    pub cases: Vec<Case>,
    /// Names of the variants, then of the external engines.
    pub columns: Vec<String>,
    /// For every column a row per case, or the cause of its failure.
    pub rows: Vec<Vec<Result<Row, String>>>,
    /// For every variant its speed or why it has none; empty if nothing was timed.
    pub speeds: Vec<Result<Speed, String>>,
    /// For every case the PNG file of its scan and masks, if it could be drawn.
    pub pictures: Vec<Option<Vec<u8>>>,
}

impl Study {
    /// Values of a figure in one column, one per case: `None` where it is undefined, for failures, and for
    /// cases that `chosen` leaves out.
    pub fn values(
        &self,
        column: usize,
        figure: &Figure,
        chosen: impl Fn(&Case) -> bool,
    ) -> Vec<Option<f64>> {
        let rows = self.rows[column].iter().zip(&self.cases);
        let value = |(row, case): (&Result<Row, String>, &Case)| {
            let row = row.as_ref().ok().filter(|_| chosen(case))?;
            (figure.of)(&row.score)
        };
        rows.map(value).collect()
    }

    /// The test of one figure between two columns, over the scans that have it in both.
    pub fn compare(&self, columns: [usize; 2], figure: &Figure) -> Option<Wilcoxon> {
        let [a, b] = columns.map(|column| self.values(column, figure, |_| true));
        let differences: Vec<f64> = a
            .iter()
            .zip(&b)
            .filter_map(|(a, b)| Some((*a)? - (*b)?))
            .collect();
        wilcoxon(&differences)
    }

    /// The distinct values of a property of the cases, in order; without the empty one.
    pub fn groups(&self, property: impl Fn(&Case) -> &str) -> Vec<String> {
        let mut groups: Vec<String> = self
            .cases
            .iter()
            .map(|case| property(case).into())
            .collect();
        groups.sort();
        groups.dedup();
        groups.retain(|group| !group.is_empty());
        groups
    }
}
