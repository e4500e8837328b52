//! What is made of a mask, and written.

use std::io::{self, Write};
use std::path::Path;

use endocast::picture::{ORANGE, Outline, Picture};
use endocast::post;
use endocast::surface::{self, Mesh};
use endocast::volume::{self, Scan, Target};
use endocast::{Extraction, output};
use ndarray::Array3;

use super::super::Failure;
use super::arguments::{Fill, Series, Settings};
use super::batch::Job;
use super::outputs::{Outputs, is_stream};

/// Distance kept around a cropped brain.
const CROP_MARGIN_MM: f64 = 5.0;

/// Edge of a pixel of the picture.
const PIXEL_MM: f64 = 1.0;

/// A scan's mask and all that can be written of it.
pub struct Products<'a> {
    scan: &'a Scan,
    extraction: &'a Extraction,
    /// The mask with its border moved.
    moved: Option<Array3<u8>>,
    distance: Option<Array3<f32>>,
    fill: f64,
    series: bool,
}

impl<'a> Products<'a> {
    /// Moves the mask's border and measures distances, where `settings` and `outputs` ask for it.
    pub fn new(
        scan: &'a Scan,
        extraction: &'a Extraction,
        outputs: &Outputs,
        settings: &Settings,
    ) -> Result<Products<'a>, post::Error> {
        let geometry = scan.geometry();
        let border = settings.border;
        let moved = match border != 0.0 {
            true => Some(post::move_border(
                &extraction.mask,
                geometry.spacing,
                border,
            )?),
            false => None,
        };
        let distance = match &outputs.sdt {
            Some(_) => Some(extraction.distance(geometry)?),
            None => None,
        };
        let fill = match settings.fill {
            None => 0.0,
            Some(Fill::Value(value)) => value,
            Some(Fill::Minimum) => least(scan).min(0.0),
        };
        Ok(Products {
            scan,
            extraction,
            moved,
            distance,
            fill,
            series: settings.volume == Some(Series::All) && scan.volumes() > 1,
        })
    }

    /// The mask that is written.
    pub fn mask(&self) -> &Array3<u8> {
        self.moved.as_ref().unwrap_or(&self.extraction.mask)
    }

    /// What the user should know: that the voxels cannot hold the value that the outside is to get.
    pub fn note(&self, outputs: &Outputs) -> Option<String> {
        let stored = self.scan.nearest(self.fill);
        let step = self.scan.scaling().slope().abs();
        let is_far =
            (stored - self.fill).abs() > step.max(self.fill.abs() * f64::from(f32::EPSILON));
        let is_written = outputs.brain.is_some() || outputs.crop.is_some();
        (is_far && is_written).then(|| {
            let fill = self.fill;
            format!("its voxels cannot hold {fill}; outside the brain they are {stored}")
        })
    }

    /// Writes every output of `job` but the reports.
    pub fn write(&self, job: &Job) -> Result<(), Failure> {
        let Outputs {
            brain,
            mask,
            prob,
            sdt,
            crop,
            mesh,
            qc,
            ..
        } = &job.outputs;
        let (scan, fill) = (self.scan, self.fill);
        if let Some(path) = mask {
            image(path, |target| scan.send_mask(target, self.mask()))?;
        }
        if let Some(path) = brain {
            image(path, |target| match self.series {
                true => scan.send_brain_series(&job.input, target, self.mask(), fill),
                false => scan.send_brain(target, self.mask(), fill),
            })?;
        }
        if let Some(path) = crop {
            image(path, |target| {
                scan.send_crop(target, self.mask(), CROP_MARGIN_MM, fill)
            })?;
        }
        if let (Some(path), Some(map)) = (prob, &self.extraction.probabilities) {
            image(path, |target| scan.send_f32(target, map))?;
        }
        if let (Some(path), Some(map)) = (sdt, &self.distance) {
            image(path, |target| scan.send_f32(target, map))?;
        }
        if let Some(path) = mesh {
            let failed = |cause: surface::Error| Failure::Output(cause.to_string());
            let format = surface::Format::of(path).map_err(failed)?;
            let mesh = Mesh::of_mask(self.mask(), &scan.geometry().affine).map_err(failed)?;
            file(path, |file| mesh.write(file, format))?;
        }
        if let Some(path) = qc {
            let outline = Outline {
                mask: self.mask(),
                colour: ORANGE,
            };
            let picture = Picture::three_planes(scan, &[outline], PIXEL_MM)
                .map_err(|cause| Failure::Output(format!("{}: {cause}", path.display())))?;
            file(path, |file| picture.write_png(file))?;
        }
        Ok(())
    }
}

/// Writes an image to a file or to standard output.
fn image(
    path: &Path,
    write: impl FnOnce(Target) -> Result<(), volume::Error>,
) -> Result<(), Failure> {
    let written = if is_stream(path) {
        let mut stream = io::BufWriter::new(io::stdout().lock());
        write(Target::Stream(&mut stream, Path::new("standard output")))
    } else {
        write(Target::File(path))
    };
    written.map_err(|cause| Failure::Output(cause.to_string()))
}

/// Writes a file of another kind.
fn file(path: &Path, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let written = output::write(path, body);
    written.map_err(|cause| Failure::Output(format!("{}: cannot write: {cause}", path.display())))
}

/// The least finite real value of a scan.
fn least(scan: &Scan) -> f64 {
    let (values, _) = scan.to_array_f64();
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
