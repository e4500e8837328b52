//! A study as tables and as a page.

mod chart;
mod csv;
mod page;
mod scale;

use super::list::Case;
use super::score::FIGURES;
use super::{Study, Summary};
use crate::picture::Colour;

pub use csv::{scans_csv, summary_csv};
pub use page::page;

/// Colours of the columns in pictures and charts, in order; the reference is green.
pub(super) const COLOURS: [Colour; 6] = [
    [230, 115, 0],
    [40, 110, 220],
    [190, 40, 120],
    [110, 70, 200],
    [0, 150, 160],
    [130, 90, 40],
];

/// Dice below which a mask is counted as poor.
pub const POOR_DICE: f64 = 0.9;

/// Summaries of one column over one group of scans.
pub struct Line {
    /// What the group shares: `all`, `reference`, `contrast` or `site`.
    pub by: &'static str,
    /// The value that it shares.
    pub group: String,
    /// Position among [`Study::columns`].
    pub column: usize,
    /// Scans in the group.
    pub scans: usize,
    /// Scans that have no score.
    pub failures: usize,
    /// Scans whose Dice is below [`POOR_DICE`].
    pub poor: usize,
    /// One per figure, its worst by position among [`Study::cases`].
    pub figures: [Option<Summary>; FIGURES.len()],
}

/// All scans, then groups of equal reference kind, contrast and site; in each group every column.
pub fn lines(study: &Study) -> Vec<Line> {
    type Property = (&'static str, fn(&Case) -> &str);
    let properties: [Property; 4] = [
        ("all", |_| "all"),
        ("reference", |case| case.reference.name()),
        ("contrast", |case| &case.contrast),
        ("site", |case| &case.site),
    ];
    let mut lines = Vec::new();
    for (by, property) in properties {
        for group in study.groups(property) {
            let chosen = |case: &Case| property(case) == group;
            for column in 0..study.columns.len() {
                let rows = study.rows[column].iter().zip(&study.cases);
                let rows: Vec<_> = rows
                    .filter(|(_, case)| chosen(case))
                    .map(|(row, _)| row)
                    .collect();
                let scored = rows.iter().filter_map(|row| row.as_ref().ok());
                lines.push(Line {
                    by,
                    group: group.clone(),
                    column,
                    scans: rows.len(),
                    failures: rows.iter().filter(|row| row.is_err()).count(),
                    poor: scored.filter(|row| row.score.dice < POOR_DICE).count(),
                    figures: FIGURES.each_ref().map(|figure| {
                        Summary::new(&study.values(column, figure, chosen), figure.worst)
                    }),
                });
            }
        }
    }
    lines
}
