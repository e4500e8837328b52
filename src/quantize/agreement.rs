//! How far the masks of a quantised network are from those in single precision.

use std::sync::Arc;

use endocast_weights::Model;

use super::{Calibration, Error};
use crate::exec::Session;
use crate::metrics::{overlap, surface_distances};
use crate::plan::{Options, Plan};

/// Agreement of masks on the network's grid, over calibration scans and outputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Mean Dice.
    pub dice: f64,
    /// Smallest Dice.
    pub worst_dice: f64,
    /// Mean distance between the surfaces, in voxels of the network's grid.
    pub distance: f64,
}

impl Agreement {
    /// Mean loss of Dice.
    pub fn drop(&self) -> f64 {
        1.0 - self.dice
    }
}

/// The masks in single precision, and all that is needed to make others.
pub(super) struct Judge<'a> {
    calibration: &'a Calibration,
    options: Options,
    grid: [usize; 3],
    threshold: f32,
    /// Per scan and output, first axis slowest.
    masks: Vec<Vec<Vec<u8>>>,
}

impl<'a> Judge<'a> {
    /// Runs `model` on all scans.
    pub fn new(
        model: &Arc<Model>,
        calibration: &'a Calibration,
        options: Options,
        progress: &(dyn Fn(&str, usize, usize) + Sync),
    ) -> Result<Judge<'a>, Error> {
        let mut judge = Judge {
            calibration,
            options,
            grid: [model.preprocessing().route.grid(); 3],
            threshold: model.preprocessing().threshold as f32,
            masks: Vec::new(),
        };
        let mut runner = judge.runner(model.clone())?;
        for (index, scan) in calibration.scans.iter().enumerate() {
            let masks = runner.masks(&scan.image)?;
            if masks[0].iter().all(|&voxel| voxel == 0) {
                return Err(Error::NoBrain {
                    path: scan.path.clone(),
                });
            }
            judge.masks.push(masks);
            progress(
                "masks in single precision",
                index + 1,
                calibration.scans.len(),
            );
        }
        Ok(judge)
    }

    /// The mask of the first output in single precision of scan number `scan`.
    pub fn mask(&self, scan: usize) -> &[u8] {
        &self.masks[scan][0]
    }

    /// Depth, height and width of the network's input.
    pub fn grid(&self) -> [usize; 3] {
        self.grid
    }

    /// Compares the masks of the model file `bytes` with those in single precision, on at most `most`
    /// of the scans.
    pub fn judge(&self, bytes: &[u8], most: usize) -> Result<Agreement, Error> {
        let mut runner = self.runner(Arc::new(Model::from_bytes(bytes)?))?;
        let (mut dice, mut distance) = (Vec::new(), Vec::new());
        let scans = self.calibration.scans.iter().zip(&self.masks);
        let stride = self.masks.len().div_ceil(most);
        for (scan, expected) in scans.step_by(stride) {
            for (mask, expected) in runner.masks(&scan.image)?.iter().zip(expected) {
                // Axis order does not matter to either measure.
                let counts = overlap(mask, expected, self.grid, [1.0; 3]);
                let surfaces = surface_distances(mask, expected, self.grid, [1.0; 3]);
                dice.push(counts.map_or(0.0, |counts| counts.dice()));
                // An empty mask is as far away as can be.
                let longest = self.grid[0] as f64;
                distance.push(surfaces.ok().flatten().map_or(longest, |found| found.mean));
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Ok(Agreement {
            dice: mean(&dice),
            worst_dice: dice.iter().copied().fold(1.0, f64::min),
            distance: mean(&distance),
        })
    }

    fn runner(&self, model: Arc<Model>) -> Result<Runner, Error> {
        let plan = Plan::new(model.graph(), self.grid, self.options)?;
        let session = Session::new(model, plan)?;
        Ok(Runner {
            result: vec![0.0; session.result_len()],
            session,
            voxels: self.grid.iter().product(),
            threshold: self.threshold,
        })
    }
}

struct Runner {
    session: Session,
    result: Vec<f32>,
    voxels: usize,
    threshold: f32,
}

impl Runner {
    fn masks(&mut self, image: &[f32]) -> Result<Vec<Vec<u8>>, Error> {
        self.session.run(image, &mut self.result)?;
        let outputs = self.result.chunks_exact(self.voxels);
        let mask = |output: &[f32]| {
            let inside = output.iter().map(|&p| u8::from(p >= self.threshold));
            inside.collect()
        };
        Ok(outputs.map(mask).collect())
    }
}
