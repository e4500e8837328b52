//! The figures as text and as JSON.

use std::time::Duration;

use super::super::json;
use super::measure::{Conv, Measured, median};
use super::peaks::Peaks;
use super::rivals::Shape;

/// What the figures are figures of.
pub struct Setting {
    pub model: String,
    pub edge: usize,
    pub threads: usize,
}

/// Multiply-accumulates per second, and the share of the peak in percent.
fn rates(conv: &Conv, time: Duration, peaks: &Peaks) -> (f64, Option<f64>) {
    let rate = conv.macs as f64 / time.as_secs_f64();
    let peak = peaks.of(conv.isa, conv.products);
    (rate, peak.map(|peak| rate / peak * 100.0))
}

/// [`rates`] as two columns.
fn columns(conv: &Conv, time: Duration, peaks: &Peaks) -> String {
    let (rate, share) = rates(conv, time, peaks);
    let share = share.map_or("-".into(), |share| format!("{share:.0}"));
    format!("{:8.1} {share:>6}", rate * 1e-9)
}

pub fn print(setting: &Setting, measured: &Measured, peaks: &Peaks) {
    outln!(
        "{:24} {:30} {:>9} {:>8} {:>8} {:>6}",
        "layer",
        "kernel",
        "ms",
        "MB",
        "GMAC/s",
        "% peak"
    );
    for layer in &measured.layers {
        let time = median(&layer.times);
        out!(
            "{:24} {:30} {:9.2} {:8.2}",
            layer.name,
            layer.conv.map_or("", |conv| conv.kernel),
            time.as_secs_f64() * 1e3,
            layer.bytes as f64 * 1e-6
        );
        match &layer.conv {
            Some(conv) => outln!(" {}", columns(conv, time, peaks)),
            None => outln!(),
        }
    }
    let totals = &measured.totals;
    let middle = median(totals).as_secs_f64();
    let Setting { edge, threads, .. } = setting;
    outln!(
        "{edge}^3, {threads} threads: {middle:.3} s ({:.3} to {:.3}), {:.1} GMAC/s; times of layers are \
         summed over threads",
        totals[0].as_secs_f64(),
        totals[totals.len() - 1].as_secs_f64(),
        measured.macs as f64 / middle * 1e-9,
    );
    print_peaks(peaks);
}

pub fn print_shapes(setting: &Setting, shapes: &[Shape], peaks: &Peaks) {
    for shape in shapes {
        outln!(
            "{}: {}",
            shape.rivals[0].conv.problem,
            shape.layers.join(" ")
        );
        for (index, rival) in shape.rivals.iter().enumerate() {
            outln!(
                "  {:36} {:9.2} ms {} % of peak{}",
                rival.conv.kernel,
                rival.time.as_secs_f64() * 1e3,
                columns(&rival.conv, rival.time, peaks),
                if index == 0 { ", chosen" } else { "" }
            );
        }
    }
    let Setting { edge, threads, .. } = setting;
    outln!("{edge}^3, {threads} threads; shortest times, summed over threads and layers; GMAC/s");
    print_peaks(peaks);
}

fn print_peaks(peaks: &Peaks) {
    for (peak, rate) in &peaks.0 {
        let (isa, instructions) = (peak.isa, peak.instructions);
        outln!(
            "peak of a thread, {isa} {instructions}: {:.1} GMAC/s",
            rate * 1e-9
        );
    }
}

pub fn to_json(setting: &Setting, measured: &Measured, peaks: &Peaks) -> json::Value {
    let layers = measured.layers.iter().map(|layer| {
        let time = median(&layer.times);
        let conv = layer.conv.as_ref();
        json::object([
            ("name", layer.name.as_str().into()),
            ("kernel", conv.map_or("", |conv| conv.kernel).into()),
            ("seconds", time.as_secs_f64().into()),
            ("macs", conv.map_or(0.0, |conv| conv.macs as f64).into()),
            ("bytes", (layer.bytes as f64).into()),
            (
                "percent_of_peak",
                conv.and_then(|conv| rates(conv, time, peaks).1).into(),
            ),
        ])
    });
    let totals = &measured.totals;
    json::object([
        ("model", setting.model.as_str().into()),
        ("grid", (setting.edge as f64).into()),
        ("threads", (setting.threads as f64).into()),
        ("seconds_median", median(totals).as_secs_f64().into()),
        ("seconds_min", totals[0].as_secs_f64().into()),
        ("seconds_max", totals[totals.len() - 1].as_secs_f64().into()),
        ("macs", (measured.macs as f64).into()),
        ("session_bytes", (measured.session_bytes as f64).into()),
        ("peaks", peaks_to_json(peaks)),
        ("layers", json::Value::Array(layers.collect())),
    ])
}

pub fn shapes_to_json(setting: &Setting, shapes: &[Shape], peaks: &Peaks) -> json::Value {
    let shapes = shapes.iter().map(|shape| {
        let layers = shape.layers.iter().map(|name| name.as_str().into());
        let rivals = shape.rivals.iter().map(|rival| {
            json::object([
                ("kernel", rival.conv.kernel.into()),
                ("seconds_min", rival.time.as_secs_f64().into()),
                ("macs", (rival.conv.macs as f64).into()),
                (
                    "percent_of_peak",
                    rates(&rival.conv, rival.time, peaks).1.into(),
                ),
            ])
        });
        json::object([
            ("shape", shape.rivals[0].conv.problem.to_string().into()),
            ("layers", json::Value::Array(layers.collect())),
            ("chosen", shape.rivals[0].conv.kernel.into()),
            ("percent_slower_than_best", shape.excess().into()),
            ("kernels", json::Value::Array(rivals.collect())),
        ])
    });
    json::object([
        ("model", setting.model.as_str().into()),
        ("grid", (setting.edge as f64).into()),
        ("threads", (setting.threads as f64).into()),
        ("peaks", peaks_to_json(peaks)),
        ("shapes", json::Value::Array(shapes.collect())),
    ])
}

fn peaks_to_json(peaks: &Peaks) -> json::Value {
    let peaks = peaks.0.iter().map(|(peak, rate)| {
        json::object([
            ("instruction_set", peak.isa.name().into()),
            ("instructions", peak.instructions.into()),
            ("macs_per_second", (*rate).into()),
        ])
    });
    json::Value::Array(peaks.collect())
}
