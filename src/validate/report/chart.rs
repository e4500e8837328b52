//! Charts in SVG.

use std::fmt::Write;

use super::scale::Scale;
use crate::picture::Colour;
use crate::pre::quantile::percentile;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
/// Room for marks and labels.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// A name, a colour and what belongs to it.
pub(super) struct Series<'a, T> {
    pub name: &'a str,
    pub colour: Colour,
    pub values: Vec<T>,
}

/// Text as it may stand in HTML and SVG.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A colour in CSS.
pub(super) fn css([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// An unfinished chart.
struct Chart(String);

impl Chart {
    fn new(title: &str) -> Chart {
        Chart(format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(title)
        ))
    }

    fn line(&mut self, class: &str, [x1, y1, x2, y2]: [f64; 4], more: &str) {
        let _ = write!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"{more}/>"
        );
    }

    fn text(&mut self, anchor: &str, [x, y]: [f64; 2], text: &str) {
        let text = escape(text);
        let _ = write!(
            self.0,
            "<text text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
        );
    }

    fn dot(&mut self, [x, y]: [f64; 2], colour: Colour, title: &str) {
        let (colour, title) = (css(colour), escape(title));
        let _ = write!(
            self.0,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{title}</title></circle>"
        );
    }

    fn vertical(&mut self, scale: &Scale, label: &str) {
        for (value, text) in scale.marks() {
            let y = scale.at(value);
            self.line("grid", [LEFT, y, WIDTH - RIGHT, y], "");
            self.text("end", [LEFT - 6.0, y + 4.0], &text);
        }
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        let _ = write!(
            self.0,
            "<text text-anchor=\"middle\" transform=\"translate(12 {middle:.1}) rotate(-90)\">{}</text>",
            escape(label)
        );
    }

    fn horizontal(&mut self, marks: &[(f64, String)], label: &str) {
        let floor = HEIGHT - BOTTOM;
        self.line("axis", [LEFT, floor, WIDTH - RIGHT, floor], "");
        for (x, text) in marks {
            self.text("middle", [*x, floor + 16.0], text);
        }
        self.text(
            "middle",
            [(LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8.0],
            label,
        );
    }

    fn finish(mut self) -> String {
        self.0 += "</svg>";
        self.0
    }
}

/// Quartiles as boxes with the median, whiskers to the farthest values within one and a half box lengths,
/// and every value as a dot with its name.
pub(super) fn box_plot(title: &str, series: &[Series<(f64, &str)>]) -> String {
    let all = series
        .iter()
        .flat_map(|series| series.values.iter().map(|&(value, _)| value));
    let scale = Scale::new(all, HEIGHT - BOTTOM, TOP);
    let room = (WIDTH - LEFT - RIGHT) / series.len().max(1) as f64;
    let middle = |index: usize| LEFT + (index as f64 + 0.5) * room;
    let mut chart = Chart::new(title);
    chart.vertical(&scale, title);
    let marks = series.iter().enumerate();
    let marks: Vec<_> = marks
        .map(|(index, series)| (middle(index), series.name.into()))
        .collect();
    chart.horizontal(&marks, "");
    for (index, series) in series.iter().enumerate() {
        let mut values: Vec<f64> = series.values.iter().map(|&(value, _)| value).collect();
        let quartiles = [25.0, 50.0, 75.0].map(|percent| percentile(&mut values, percent));
        let [Some(lower), Some(median), Some(upper)] = quartiles else {
            continue;
        };
        let reach = 1.5 * (upper - lower);
        let within = values
            .iter()
            .copied()
            .filter(|v| (lower - reach..=upper + reach).contains(v));
        let (low, high) = within.fold((lower, upper), |(low, high), v| (low.min(v), high.max(v)));
        let (x, half) = (middle(index), (room / 4.0).min(28.0));
        let colour = css(series.colour);
        let stroke = format!(" stroke=\"{colour}\"");
        let [low, lower, median, upper, high] =
            [low, lower, median, upper, high].map(|value| scale.at(value));
        chart.line("box", [x, low, x, lower], &stroke);
        chart.line("box", [x, upper, x, high], &stroke);
        let _ = write!(
            chart.0,
            "<rect class=\"box\" x=\"{:.1}\" y=\"{upper:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             fill=\"{colour}\" fill-opacity=\"0.15\"{stroke}/>",
            x - half,
            2.0 * half,
            lower - upper
        );
        chart.line("median", [x - half, median, x + half, median], &stroke);
        for (at, &(value, name)) in series.values.iter().enumerate() {
            // Spread, so that equal values do not hide each other.
            let aside = ((at * 7 % 11) as f64 / 10.0 - 0.5) * half;
            chart.dot(
                [x + aside, scale.at(value)],
                series.colour,
                &format!("{name}: {value:.4}"),
            );
        }
    }
    chart.finish()
}

/// Differences of two volumes over their mean, with the mean difference and the limits of agreement (1.96
/// standard deviations). Values are mask, reference and name.
pub(super) fn bland_altman(series: &Series<(f64, f64, &str)>) -> String {
    let points: Vec<(f64, f64, &str)> = series
        .values
        .iter()
        .map(|&(mask, reference, name)| ((mask + reference) / 2.0, mask - reference, name))
        .collect();
    let count = points.len() as f64;
    let bias = points.iter().map(|point| point.1).sum::<f64>() / count;
    let squares: f64 = points.iter().map(|point| (point.1 - bias).powi(2)).sum();
    let spread = if count > 1.0 {
        1.96 * (squares / (count - 1.0)).sqrt()
    } else {
        0.0
    };
    let lines = [bias - spread, bias, bias + spread];
    let across = Scale::new(points.iter().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let differences = points.iter().map(|point| point.1).chain(lines).chain([0.0]);
    let up = Scale::new(differences, HEIGHT - BOTTOM, TOP);
    let mut chart = Chart::new(series.name);
    chart.vertical(&up, "mask − reference, mL");
    let marks: Vec<_> = across
        .marks()
        .into_iter()
        .map(|(value, text)| (across.at(value), text))
        .collect();
    chart.horizontal(
        &marks,
        &format!("{}: mean of mask and reference, mL", series.name),
    );
    for (value, class) in lines.into_iter().zip(["limit", "median", "limit"]) {
        let (y, stroke) = (up.at(value), format!(" stroke=\"{}\"", css(series.colour)));
        chart.line(class, [LEFT, y, WIDTH - RIGHT, y], &stroke);
        chart.text("end", [WIDTH - RIGHT, y - 4.0], &format!("{value:+.0}"));
    }
    for (x, y, name) in points {
        let title = format!("{name}: {y:+.0} mL");
        chart.dot([across.at(x), up.at(y)], series.colour, &title);
    }
    chart.finish()
}

/// Values over counts of threads or streams, from 0.
pub(super) fn curves(across: &str, up: &str, series: &[Series<(usize, f64)>]) -> String {
    let points = series.iter().flat_map(|series| &series.values);
    let counts = points.clone().map(|&(count, _)| count as f64);
    let most = counts.fold(1.0, f64::max);
    let x = |count: usize| {
        LEFT + 20.0 + (count as f64 - 1.0) / (most - 1.0).max(1.0) * (WIDTH - LEFT - RIGHT - 40.0)
    };
    let scale = Scale::new(
        points.map(|&(_, value)| value).chain([0.0]),
        HEIGHT - BOTTOM,
        TOP,
    );
    let mut chart = Chart::new(up);
    chart.vertical(&scale, up);
    let mut counts: Vec<usize> = series
        .iter()
        .flat_map(|s| s.values.iter().map(|v| v.0))
        .collect();
    counts.sort_unstable();
    counts.dedup();
    let marks: Vec<_> = counts
        .into_iter()
        .map(|count| (x(count), count.to_string()))
        .collect();
    chart.horizontal(&marks, across);
    for series in series {
        let stroke = format!(" stroke=\"{}\"", css(series.colour));
        for pair in series.values.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|(count, value)| [x(count), scale.at(value)]);
            chart.line("curve", [from[0], from[1], to[0], to[1]], &stroke);
        }
        for &(count, value) in &series.values {
            let title = format!("{}, {count}: {value:.3}", series.name);
            chart.dot([x(count), scale.at(value)], series.colour, &title);
        }
    }
    chart.finish()
}
