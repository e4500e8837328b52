//! Group level: one table and one page of all masks.

use std::fmt::Write as _;
use std::path::Path;

use endocast::qc::SUSPICIOUS;
use endocast::volume::{FourD, Scan};
use serde_json::Value;

use super::super::Failure;
use super::dataset::Image;

/// What the table says of one image.
struct Row<'a> {
    image: &'a Image,
    /// Volume of the brain in mL, if there is a mask.
    volume: Option<f64>,
    /// What the quality check said of the mask, if its sidecar tells.
    quality: Option<Quality>,
}

struct Quality {
    score: f64,
    warnings: Vec<String>,
}

impl Row<'_> {
    /// Whether a person should look at this image first.
    fn is_suspicious(&self) -> bool {
        let low = |quality: &Quality| quality.score < SUSPICIOUS;
        self.volume.is_none() || self.quality.as_ref().is_some_and(low)
    }
}

/// Writes `group_brain.tsv` and `group_brain.html`. Images without a mask are listed as such.
pub fn run(images: &[Image], output: &Path) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for image in images {
        let mask = image.mask(output);
        let volume = if mask.is_file() {
            Some(volume_ml(&mask)?)
        } else {
            None
        };
        let quality = volume.and_then(|_| quality(&image.sidecar(output)));
        rows.push(Row {
            image,
            volume,
            quality,
        });
    }
    if rows.iter().all(|row| row.volume.is_none()) {
        let cause = "no mask is there; run the participant level first";
        return Err(Failure::input(output, cause));
    }
    write(&output.join("group_brain.tsv"), &table(&rows))?;
    write(&output.join("group_brain.html"), &page(&rows, output))
}

fn volume_ml(mask: &Path) -> Result<f64, Failure> {
    let scan = Scan::read(mask, FourD::First);
    let scan = scan.map_err(|cause| Failure::Input(cause.to_string()))?;
    let count = scan
        .to_array()
        .0
        .iter()
        .filter(|&&voxel| voxel != 0.0)
        .count();
    Ok(count as f64 * scan.geometry().spacing.iter().product::<f64>() / 1000.0)
}

/// What a mask's sidecar says of its quality; sidecars of other versions and programs may say nothing.
fn quality(sidecar: &Path) -> Option<Quality> {
    let sidecar: Value = serde_json::from_slice(&std::fs::read(sidecar).ok()?).ok()?;
    let quality = sidecar.get("Quality")?;
    let warnings = quality.get("warnings")?.as_array()?.iter();
    Some(Quality {
        score: quality.get("score")?.as_f64()?,
        warnings: warnings.filter_map(Value::as_str).map(Into::into).collect(),
    })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = endocast::output::write(path, |file| file.write_all(text.as_bytes()));
    written.map_err(|cause| Failure::Output(format!("{}: cannot write: {cause}", path.display())))
}

fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("participant_id\tsession_id\timage\tbrain_ml\tqc_score\tqc_warnings\n");
    for row in rows {
        let image = row.image;
        let session = image.session.as_deref().unwrap_or("n/a");
        let volume = row.volume.map_or("n/a".into(), |ml| format!("{ml:.1}"));
        let quality = row.quality.as_ref();
        let score = quality.map_or("n/a".into(), |quality| format!("{:.2}", quality.score));
        let warnings = quality.map(|quality| quality.warnings.join("; "));
        let warnings = warnings.filter(|text| !text.is_empty());
        let warnings = warnings.map_or("n/a".into(), |text| text.replace(['\t', '\n'], " "));
        let (participant, path) = (&image.participant, image.path.display());
        let _ = writeln!(
            text,
            "{participant}\t{session}\t{path}\t{volume}\t{score}\t{warnings}"
        );
    }
    text
}

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<title>Brain masks</title>
<style>
body { background: #111; color: #ddd; font: 14px sans-serif; margin: 1em; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(26em, 1fr)); gap: 1em; }
figure { margin: 0; padding: 0.5em; background: #222; border-left: 4px solid #4a4; }
figure.look { border-color: #f80; }
img { max-width: 100%; display: block; }
figcaption { padding-top: 0.5em; }
</style>
</head>
<body>
";

/// The contact sheet: images without a mask and suspicious masks first, then masks of the most unusual
/// volume.
fn page(rows: &[Row], output: &Path) -> String {
    let mut volumes: Vec<f64> = rows.iter().filter_map(|row| row.volume).collect();
    volumes.sort_by(f64::total_cmp);
    let median = volumes.get(volumes.len() / 2).copied().unwrap_or(0.0);
    let apart = |row: &Row| {
        row.volume
            .map_or(f64::INFINITY, |volume| (volume - median).abs())
    };
    let mut order: Vec<&Row> = rows.iter().collect();
    order.sort_by(|a, b| {
        let suspicious = b.is_suspicious().cmp(&a.is_suspicious());
        suspicious.then(apart(b).total_cmp(&apart(a)))
    });
    let mut text = String::from(HEAD);
    let _ = writeln!(
        text,
        "<h1>{} brain masks of {} images, median {median:.0} mL, the most unusual first</h1>\n<main>",
        volumes.len(),
        rows.len()
    );
    for row in order {
        let image = row.image;
        let name = escape(&image.path.display().to_string());
        let class = match row.is_suspicious() {
            true => " class=\"look\"",
            false => "",
        };
        let volume = row.volume.map(|volume| format!("{volume:.0} mL"));
        let mut lines = vec![volume.unwrap_or("no mask".into())];
        let warnings = row.quality.iter().flat_map(|quality| &quality.warnings);
        lines.extend(warnings.map(|text| escape(text)));
        let caption = lines.join("<br>");
        let picture = image.picture(Path::new(""));
        let _ = writeln!(text, "<figure{class}>");
        if output.join(&picture).is_file() {
            let source = escape(&picture.display().to_string());
            let _ = writeln!(
                text,
                "<img src=\"{source}\" alt=\"{name}\" loading=\"lazy\">"
            );
        }
        let _ = writeln!(
            text,
            "<figcaption>{name}<br>{caption}</figcaption>\n</figure>"
        );
    }
    text + "</main>\n</body>\n</html>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
