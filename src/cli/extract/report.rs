//! What happened to a scan, for `--json` and for the terminal.

use std::path::PathBuf;
use std::time::Duration;

use endocast::qc::Quality;
use endocast::volume::Scan;
use endocast::{Extractor, Options};
use ndarray::Array3;

use super::super::{Failure, json};
use super::arguments::Settings;
use super::batch::Job;

/// How long each part took.
pub struct Times {
    pub reading: Duration,
    pub loading: Duration,
    pub pre: Duration,
    pub network: Duration,
    pub post: Duration,
    pub inspecting: Duration,
    pub writing: Duration,
    pub total: Duration,
}

impl Times {
    pub fn to_json(&self) -> json::Value {
        let seconds = |time: Duration| json::Value::from(time.as_secs_f64());
        json::object([
            ("read", seconds(self.reading)),
            ("load", seconds(self.loading)),
            ("pre", seconds(self.pre)),
            ("network", seconds(self.network)),
            ("post", seconds(self.post)),
            ("inspect", seconds(self.inspecting)),
            ("write", seconds(self.writing)),
            ("total", seconds(self.total)),
        ])
    }
}

/// A finished scan.
pub struct Report<'a> {
    pub job: &'a Job,
    pub settings: &'a Settings,
    pub options: &'a Options,
    pub extractor: &'a Extractor,
    pub scan: &'a Scan,
    pub mask: &'a Array3<u8>,
    pub quality: &'a Quality,
    pub times: Times,
}

impl Report<'_> {
    /// Volume of the mask.
    pub fn brain_ml(&self) -> f64 {
        let voxels = self.mask.t().iter().filter(|&&voxel| voxel != 0).count();
        voxels as f64 * self.scan.geometry().spacing.iter().product::<f64>() / 1000.0
    }

    /// Writes what `--json` asks for.
    pub fn write(&self) -> Result<(), Failure> {
        if let Some(path) = &self.job.outputs.json {
            json::write(path, &self.to_json())?;
        }
        Ok(())
    }

    /// The outputs, the brain's volume and the time, on standard error.
    pub fn print(&self) {
        for path in self.job.outputs.on_disk() {
            errln!("{}", path.display());
        }
        let total = self.times.total.as_secs_f64();
        errln!("brain {:.0} mL, {total:.2} s", self.brain_ml());
    }

    /// [`Report::print`], and how it came about.
    pub fn print_all(&self) {
        let geometry = self.scan.geometry();
        let [x, y, z] = geometry.shape;
        let [dx, dy, dz] = geometry.spacing;
        errln!(
            "{}: {x} x {y} x {z} voxels of {dx:.3} x {dy:.3} x {dz:.3} mm, {}",
            self.job.input.display(),
            geometry.orientation()
        );
        errln!(
            "model {}, output {}, {} threads",
            self.extractor.model().name(),
            self.options.output,
            self.options.threads
        );
        let Times {
            reading,
            loading,
            pre,
            network,
            post,
            inspecting,
            writing,
            ..
        } = self.times;
        errln!(
            "read {:.2} s, load {:.2} s, prepare {:.2} s, network {:.2} s, restore {:.2} s, \
             inspect {:.2} s, write {:.2} s",
            reading.as_secs_f64(),
            loading.as_secs_f64(),
            pre.as_secs_f64(),
            network.as_secs_f64(),
            post.as_secs_f64(),
            inspecting.as_secs_f64(),
            writing.as_secs_f64()
        );
        self.print();
    }

    fn to_json(&self) -> json::Value {
        let path = |path: &Option<PathBuf>| {
            path.as_ref()
                .map_or(json::Value::Null, |path| path.display().to_string().into())
        };
        let channels = self.job.channels.iter();
        let channels = channels.map(|path| path.display().to_string().into());
        let outputs = &self.job.outputs;
        let geometry = self.scan.geometry();
        json::object([
            ("endocast", env!("CARGO_PKG_VERSION").into()),
            ("input", self.job.input.display().to_string().into()),
            ("channels", json::Value::Array(channels.collect())),
            ("brain", path(&outputs.brain)),
            ("mask", path(&outputs.mask)),
            ("probability", path(&outputs.prob)),
            ("distance", path(&outputs.sdt)),
            ("crop", path(&outputs.crop)),
            ("mesh", path(&outputs.mesh)),
            ("picture", path(&outputs.qc)),
            ("model", self.extractor.model().name().into()),
            ("output", self.options.output.as_str().into()),
            ("border_mm", f64::from(self.settings.border).into()),
            (
                "shape",
                json::array(geometry.shape.map(|extent| extent as f64)),
            ),
            ("spacing_mm", json::array(geometry.spacing)),
            ("orientation", geometry.orientation().into()),
            ("volumes", (self.scan.volumes() as f64).into()),
            ("brain_ml", self.brain_ml().into()),
            ("qc", self.quality_json()),
            ("threads", (self.options.threads as f64).into()),
            ("seconds", self.times.to_json()),
            (
                "network_bytes",
                (self.extractor.session().bytes() as f64).into(),
            ),
        ])
    }

    /// Score, warnings and measures of the quality check.
    pub fn quality_json(&self) -> json::Value {
        let measures = self.quality.measures.iter();
        let measures = measures.map(|measure| (measure.name, measure.value.into()));
        let warnings = self.quality.warnings.iter();
        let warnings = warnings.map(|text| text.as_str().into());
        json::object([
            ("score", self.quality.score.into()),
            ("warnings", json::Value::Array(warnings.collect())),
            ("measures", json::Value::Object(measures.collect())),
        ])
    }
}
