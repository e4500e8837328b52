//! A study as one HTML file that needs no other.

use super::super::score::{FIGURES, Figure};
use super::super::{Row, Speed, Study, Summary};
use super::chart::{Series, bland_altman, box_plot, css, curves, escape};
use super::{COLOURS, Line, POOR_DICE, lines};
use crate::base64::base64;
use crate::picture::{Colour, GREEN};

/// The page. `facts` are names and values to tell at its top: program, machine, settings.
pub fn page(study: &Study, facts: &[(&str, String)]) -> String {
    let lines = lines(study);
    let facts = facts
        .iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value)));
    let sections = [
        ("Summary", summary(study, &lines)),
        ("Agreement", boxes(study)),
        ("Volumes", volumes(study)),
        ("Groups", groups(study, &lines)),
        ("Differences", differences(study)),
        ("Speed and size", speed(study)),
        ("Scans", scans(study)),
    ];
    let sections = sections.into_iter().filter(|(_, body)| !body.is_empty());
    let sections = sections.map(|(title, body)| format!("<h2>{title}</h2>\n{body}\n"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Brain masks against references</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>Brain masks against references</h1>\n\
         <p>{} scans. Median, mean ± standard deviation, and the worst scan of each figure.</p>\n\
         <dl>{}</dl>\n{}</main>\n</body>\n</html>\n",
        include_str!("style.css"),
        study.cases.len(),
        facts.collect::<String>(),
        sections.collect::<String>(),
    )
}

fn colour(column: usize) -> Colour {
    COLOURS[column % COLOURS.len()]
}

/// A column's name behind a square of its colour.
fn key(name: &str, colour: Colour) -> String {
    format!(
        "<span class=\"key\" style=\"background:{}\"></span>{}",
        css(colour),
        escape(name)
    )
}

/// A table of cells that are HTML already; the first `names` columns are aligned left.
fn table(head: &[String], rows: &[Vec<String>], names: usize) -> String {
    let line = |tag: &str, cells: &[String]| {
        let cells = cells.iter().enumerate().map(|(index, cell)| {
            let class = if index < names { " class=\"name\"" } else { "" };
            format!("<{tag}{class}>{cell}</{tag}>")
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let body: String = rows.iter().map(|row| line("td", row)).collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead>{}</thead>\n<tbody>\n{body}</tbody></table></div>",
        line("th", head)
    )
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn fixed(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}

/// The median, and in small the rest.
fn summary_cell(study: &Study, figure: &Figure, summary: Option<Summary>) -> String {
    let Some(summary) = summary else {
        return "–".into();
    };
    let decimals = figure.decimals;
    let sd = summary.sd.map(|sd| format!(" ± {sd:.decimals$}"));
    format!(
        "{:.decimals$}<small>{:.decimals$}{}</small><small title=\"{}\">worst {:.decimals$}</small>",
        summary.median,
        summary.mean,
        sd.unwrap_or_default(),
        escape(&study.cases[summary.worst_at].name),
        summary.worst,
    )
}

fn summary(study: &Study, lines: &[Line]) -> String {
    let mut names = head(&["masks", "scans", "failures"]);
    names.push(format!("Dice &lt; {POOR_DICE}"));
    names.extend(FIGURES.iter().map(|figure| figure.title.to_string()));
    let rows = lines.iter().filter(|line| line.by == "all").map(|line| {
        let mut cells = vec![
            key(&study.columns[line.column], colour(line.column)),
            line.scans.to_string(),
            line.failures.to_string(),
            line.poor.to_string(),
        ];
        let figures = FIGURES.iter().zip(line.figures);
        cells.extend(figures.map(|(figure, summary)| summary_cell(study, figure, summary)));
        cells
    });
    table(&names, &rows.collect::<Vec<_>>(), 1)
}

fn boxes(study: &Study) -> String {
    let charts = FIGURES.iter().map(|figure| {
        let series = study.columns.iter().enumerate().map(|(column, name)| {
            let values = study.values(column, figure, |_| true);
            let values = values.into_iter().zip(&study.cases);
            Series {
                name,
                colour: colour(column),
                values: values
                    .filter_map(|(value, case)| Some((value?, case.name.as_str())))
                    .collect(),
            }
        });
        box_plot(figure.title, &series.collect::<Vec<_>>())
    });
    format!("<div class=\"charts\">{}</div>", charts.collect::<String>())
}

fn volumes(study: &Study) -> String {
    let charts = study
        .columns
        .iter()
        .zip(&study.rows)
        .enumerate()
        .map(|(column, (name, rows))| {
            let rows = rows
                .iter()
                .zip(&study.cases)
                .filter_map(|(row, case)| Some((row.as_ref().ok()?, case)));
            let values: Vec<_> = rows
                .map(|(row, case)| {
                    (
                        row.score.volume_ml,
                        row.score.reference_ml,
                        case.name.as_str(),
                    )
                })
                .collect();
            if values.is_empty() {
                return String::new();
            }
            bland_altman(&Series {
                name,
                colour: colour(column),
                values,
            })
        });
    format!(
        "<p>Bland-Altman plots: the mean difference, and 1.96 standard deviations to either side.</p>\n\
         <div class=\"charts\">{}</div>",
        charts.collect::<String>()
    )
}

fn groups(study: &Study, lines: &[Line]) -> String {
    let rows: Vec<_> = lines.iter().filter(|line| line.by != "all").collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut names = head(&["by", "group", "masks", "scans", "failures"]);
    names.extend(FIGURES.iter().map(|figure| figure.title.to_string()));
    let rows = rows.into_iter().map(|line| {
        let mut cells = vec![
            line.by.into(),
            escape(&line.group),
            key(&study.columns[line.column], colour(line.column)),
            line.scans.to_string(),
            line.failures.to_string(),
        ];
        let figures = FIGURES.iter().zip(line.figures);
        cells.extend(figures.map(|(figure, summary)| summary_cell(study, figure, summary)));
        cells
    });
    table(&names, &rows.collect::<Vec<_>>(), 3)
}

fn differences(study: &Study) -> String {
    let count = study.columns.len();
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| [a, b]));
    let rows: Vec<_> = pairs
        .flat_map(|pair| FIGURES.iter().map(move |figure| (pair, figure)))
        .filter_map(|(pair, figure)| {
            let test = study.compare(pair, figure)?;
            let [a, b] = pair.map(|column| key(&study.columns[column], colour(column)));
            let how = if test.exact {
                "exact"
            } else {
                "normal approximation"
            };
            Some(vec![
                a,
                b,
                figure.title.into(),
                test.pairs.to_string(),
                format!("{:.1}", test.statistic),
                if test.p < 1e-4 {
                    format!("{:.1e}", test.p)
                } else {
                    format!("{:.4}", test.p)
                },
                how.into(),
            ])
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let names = head(&[
        "masks",
        "against",
        "figure",
        "pairs that differ",
        "W",
        "p, two-sided",
        "how",
    ]);
    format!(
        "<p>Wilcoxon signed-rank tests of paired scans, not corrected for their number.</p>\n{}",
        table(&names, &rows, 3)
    )
}

fn speed(study: &Study) -> String {
    if study.speeds.is_empty() {
        return String::new();
    }
    let reference = study
        .speeds
        .iter()
        .find_map(|speed| speed.as_ref().ok()?.latency());
    let megabytes = |bytes: f64| format!("{:.0}", bytes / 1e6);
    let rows = study.speeds.iter().enumerate().map(|(column, speed)| {
        let name = key(&study.columns[column], colour(column));
        let speed = match speed {
            Ok(speed) => speed,
            Err(cause) => return vec![name, escape(cause)],
        };
        let one = speed.latencies.first().map(|&(_, seconds)| seconds);
        let all = speed.latency();
        let ratio = |a: Option<f64>, b: Option<f64>| fixed(a.zip(b).map(|(a, b)| a / b), 2);
        let best = speed
            .throughputs
            .iter()
            .map(|&(_, minute)| minute)
            .fold(None, |best, minute| {
                Some(best.map_or(minute, |best: f64| best.max(minute)))
            });
        vec![
            name,
            fixed(all, 3),
            ratio(reference, all),
            fixed(one, 3),
            ratio(one, all),
            fixed(best, 1),
            megabytes(speed.model_bytes as f64),
            megabytes(speed.network_bytes as f64),
            speed
                .peak_bytes
                .map_or_else(|| "–".into(), |bytes| megabytes(bytes as f64)),
        ]
    });
    let names = head(&[
        "masks",
        "s per scan",
        "speed-up over the first",
        "s on one thread",
        "speed-up by threads",
        "most scans a minute",
        "model MB",
        "network MB",
        "peak MB",
    ]);
    let table = table(&names, &rows.collect::<Vec<_>>(), 1);
    let series = |of: fn(&Speed) -> &Vec<(usize, f64)>| -> Vec<Series<(usize, f64)>> {
        let timed = study
            .speeds
            .iter()
            .enumerate()
            .filter_map(|(column, speed)| Some((column, speed.as_ref().ok()?)));
        timed
            .map(|(column, speed)| Series {
                name: &study.columns[column],
                colour: colour(column),
                values: of(speed).clone(),
            })
            .collect()
    };
    let charts = [
        curves(
            "threads",
            "seconds per scan",
            &series(|speed| &speed.latencies),
        ),
        curves(
            "scans at once",
            "scans a minute",
            &series(|speed| &speed.throughputs),
        ),
    ];
    format!(
        "<p>From a scan in memory to its mask, medians. Scans at once share the threads.</p>\n{table}\n\
         <div class=\"charts\" style=\"margin-top:16px\">{}</div>",
        charts.concat()
    )
}

fn scans(study: &Study) -> String {
    let keys = study
        .columns
        .iter()
        .enumerate()
        .map(|(column, name)| (name.as_str(), colour(column)));
    let legend = std::iter::once(("reference", GREEN)).chain(keys);
    let legend: String = legend
        .map(|(name, colour)| format!("<span>{}</span>", key(name, colour)))
        .collect();
    let cards = study.cases.iter().enumerate().map(|(index, case)| {
        let picture = study.pictures.get(index).and_then(Option::as_ref).map(|png| {
            let (name, png) = (escape(&case.name), base64(png));
            format!("<img alt=\"masks of {name}\" src=\"data:image/png;base64,{png}\">")
        });
        let about = [case.reference.name(), &case.contrast, &case.site];
        let about = about.into_iter().filter(|word| !word.is_empty()).map(escape);
        let rows = study.columns.iter().zip(&study.rows).enumerate();
        let rows = rows.map(|(column, (name, rows))| scan_row(&key(name, colour(column)), &rows[index]));
        format!(
            "<figure>{}<figcaption><b>{}</b> <span class=\"about\">{}</span>\n\
             <table><tr><th></th><th>Dice</th><th>HD95</th><th>mL</th><th>of</th><th>check</th></tr>{}</table>\
             </figcaption></figure>\n",
            picture.unwrap_or_default(),
            escape(&case.name),
            about.collect::<Vec<_>>().join(", "),
            rows.collect::<String>(),
        )
    });
    format!(
        "<p class=\"legend\">{legend}</p>\n<div class=\"scans\">{}</div>",
        cards.collect::<String>()
    )
}

fn scan_row(key: &str, row: &Result<Row, String>) -> String {
    match row {
        Ok(Row { score, quality, .. }) => format!(
            "<tr><td class=\"name\">{key}</td><td>{:.4}</td><td>{}</td><td>{:.0}</td><td>{:.0}</td><td>{}</td></tr>",
            score.dice,
            fixed(score.hd95_mm, 1),
            score.volume_ml,
            score.reference_ml,
            fixed(*quality, 2),
        ),
        Err(cause) => format!(
            "<tr><td class=\"name\">{key}</td><td class=\"bad\" colspan=\"5\">{}</td></tr>",
            escape(cause)
        ),
    }
}
