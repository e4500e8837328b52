//! Tables of comma-separated values; undefined ones are empty.

use super::super::Study;
use super::super::score::FIGURES;
use super::lines;

fn cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

fn number(value: Option<f64>) -> String {
    value.map(|value| format!("{value}")).unwrap_or_default()
}

/// One line per scan and column.
pub fn scans_csv(study: &Study) -> String {
    let mut text = String::from("scan,reference,contrast,site,masks");
    for figure in &FIGURES {
        text += &format!(",{}", figure.name);
    }
    text += ",volume_ml,reference_ml,seconds,qc_score,failure\n";
    for (index, case) in study.cases.iter().enumerate() {
        for (column, rows) in study.columns.iter().zip(&study.rows) {
            let row = rows[index].as_ref();
            let of =
                |value: fn(&super::super::Row) -> Option<f64>| number(row.ok().and_then(value));
            let mut cells = vec![
                cell(&case.name),
                case.reference.name().into(),
                cell(&case.contrast),
                cell(&case.site),
                cell(column),
            ];
            let figures = FIGURES
                .iter()
                .map(|figure| number(row.ok().and_then(|row| (figure.of)(&row.score))));
            cells.extend(figures);
            cells.extend([
                of(|row| Some(row.score.volume_ml)),
                of(|row| Some(row.score.reference_ml)),
                of(|row| row.seconds),
                of(|row| row.quality),
                row.err().map(|cause| cell(cause)).unwrap_or_default(),
            ]);
            text += &cells.join(",");
            text.push('\n');
        }
    }
    text
}

/// One line per group of scans, column and figure.
pub fn summary_csv(study: &Study) -> String {
    let mut text = String::from(
        "by,group,masks,figure,scans,failures,defined,mean,sd,median,worst,worst_scan\n",
    );
    for line in lines(study) {
        for (figure, summary) in FIGURES.iter().zip(&line.figures) {
            let of = |value: fn(&super::super::Summary) -> Option<f64>| {
                number(summary.as_ref().and_then(value))
            };
            let cells = [
                line.by.into(),
                cell(&line.group),
                cell(&study.columns[line.column]),
                figure.name.into(),
                line.scans.to_string(),
                line.failures.to_string(),
                summary.map_or(0, |summary| summary.count).to_string(),
                of(|summary| Some(summary.mean)),
                of(|summary| summary.sd),
                of(|summary| Some(summary.median)),
                of(|summary| Some(summary.worst)),
                summary
                    .map(|summary| cell(&study.cases[summary.worst_at].name))
                    .unwrap_or_default(),
            ];
            text += &cells.join(",");
            text.push('\n');
        }
    }
    text
}
