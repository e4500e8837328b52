//! Runs a plan.

mod compute;
mod memory;
mod parameters;
mod planes;
mod slab;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use endocast_weights::Model;

use crate::plan::{MAX_INPUTS, MAX_STEPS, Plan, Role, Step, TensorId};
use memory::Buffer;
use parameters::Parameters;
use slab::{Context, Kernels, Share, Written};

/// Why a session cannot be made or run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The plan was made for another model.
    Mismatch {
        /// Name of the graph node.
        node: String,
    },
    /// An image or result of the wrong size.
    Length {
        /// The argument.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Mismatch { node } => write!(f, "the model has no weights for '{node}'"),
            Error::Length {
                what,
                found,
                expected,
            } => write!(f, "{what} has {found} values, expected {expected}"),
        }
    }
}

impl std::error::Error for Error {}

/// A plan with its model and memory: runs images one after another without allocating, unless the memory
/// is [released](Session::release) between them.
///
/// The slabs of a stage run in the thread pool of the caller.
pub struct Session {
    plan: Plan,
    parameters: Parameters,
    arena: Buffer,
    /// Per step, the sums and squares `[plane][2][channels]` of a measured output.
    moments: Vec<Vec<f64>>,
    kernels: Kernels,
    clock: Vec<AtomicU64>,
}

impl Session {
    /// Prepares to run `plan`, which was made from `model`'s graph.
    ///
    /// # Errors
    /// A plan of another model.
    pub fn new(model: Arc<Model>, plan: Plan) -> Result<Session, Error> {
        let moments = plan.steps.iter().map(|step| match step.outputs()[0] {
            Some(id) if step.measured => {
                vec![0.0; step.depth * slab::moments_len(&plan.tensors[id])]
            }
            _ => Vec::new(),
        });
        Ok(Session {
            moments: moments.collect(),
            parameters: Parameters::new(model, &plan)?,
            arena: arena(&plan),
            kernels: Kernels::new(plan.options.policy),
            clock: plan.steps.iter().map(|_| AtomicU64::new(0)).collect(),
            plan,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Bytes of working memory and kernel-specific weights; the model file's own bytes come on top.
    pub fn bytes(&self) -> usize {
        self.plan.arena_bytes + self.parameters.bytes()
    }

    /// Bytes of kernel-specific weights that a session of `plan`, made for `model`, keeps.
    pub fn kept_bytes(model: &Model, plan: &Plan) -> usize {
        Parameters::planned_bytes(model, plan)
    }

    /// Elements of an image: `[channel][depth][height][width]`.
    pub fn image_len(&self) -> usize {
        let image = &self.plan.tensors[0];
        image.channels * image.grid().iter().product::<usize>()
    }

    /// Elements of a result: `[channel][depth][height][width]`.
    pub fn result_len(&self) -> usize {
        let result = self.plan.result();
        result.channels * result.grid().iter().product::<usize>()
    }

    /// Runs the network on `image`, shape `[channel][depth][height][width]`, and stores the result in
    /// the same order.
    ///
    /// # Errors
    /// [`Error::Length`] if a slice does not have the plan's size.
    pub fn run(&mut self, image: &[f32], result: &mut [f32]) -> Result<(), Error> {
        expect("the image", image.len(), self.image_len())?;
        expect("the result", result.len(), self.result_len())?;
        self.clock.iter().for_each(|step| step.store(0, Relaxed));
        if self.arena.len() == 0 {
            self.arena = arena(&self.plan);
        }
        self.load(image);
        for index in 0..self.plan.stages.len() {
            self.run_stage(index);
            self.normalise_after(index);
        }
        self.store(result);
        Ok(())
    }

    /// Gives the working memory back to the system until the next run.
    pub fn release(&mut self) {
        self.arena = Buffer::zeroed(0);
    }

    /// Time spent in each step during the last run, summed over threads.
    pub fn timings(&self) -> impl Iterator<Item = (&Step, Duration)> {
        let spent = self
            .clock
            .iter()
            .map(|step| Duration::from_nanos(step.load(Relaxed)));
        self.plan.steps.iter().zip(spent)
    }

    fn load(&mut self, image: &[f32]) {
        let tensor = &self.plan.tensors[0];
        let [depth, height, width] = tensor.grid();
        let (shape, plane_bytes) = (tensor.shape, tensor.plane_bytes());
        let planes = self.arena.bytes_mut()[tensor.whole_offset()..][..tensor.bytes()]
            .chunks_exact_mut(plane_bytes);
        for (z, plane) in planes.enumerate() {
            plane.fill(0);
            let plane: &mut [f32] = bytemuck::cast_slice_mut(plane);
            for channel in 0..tensor.channels {
                for row in 0..height {
                    let from = ((channel * depth + z) * height + row) * width;
                    let to = channel * shape.area() + shape.voxel(row, 0);
                    plane[to..to + width].copy_from_slice(&image[from..from + width]);
                }
            }
        }
    }

    fn store(&mut self, result: &mut [f32]) {
        let tensor = self.plan.result();
        let [depth, height, width] = tensor.grid();
        let area = height * width;
        let planes = self.arena.bytes()[tensor.whole_offset()..][..tensor.bytes()]
            .chunks_exact(tensor.plane_bytes());
        for (z, plane) in planes.enumerate() {
            let plane: &[f32] = &bytemuck::cast_slice(plane)[..tensor.plane_len()];
            for (channel, values) in plane.chunks_exact(area).enumerate() {
                result[(channel * depth + z) * area..][..area].copy_from_slice(values);
            }
        }
    }

    fn run_stage(&mut self, index: usize) {
        let plan = &self.plan;
        let stage = &plan.stages[index];
        let mut read: [(TensorId, &[u8]); MAX_STEPS * MAX_INPUTS] =
            [(0, &[]); MAX_STEPS * MAX_INPUTS];
        let mut written: [Written; 2 * MAX_STEPS] = Default::default();
        let (mut reads, mut writes) = (0, 0);
        let mut workspace: &mut [u8] = &mut [];
        let mut outside: [&[u8]; 256] = [&[]; 256];
        let mut weights: &mut [f32] = &mut [];
        memory::carve(
            self.arena.bytes_mut(),
            &stage.regions,
            |role, part| match role {
                Role::Read(id) => {
                    read[reads] = (id, part);
                    reads += 1;
                }
                Role::Written(id) => {
                    written[writes] = Written {
                        id,
                        planes: 0..plan.tensors[id].depth,
                        data: part,
                    };
                    writes += 1;
                }
                Role::Workspace => workspace = part,
                Role::Outside(byte) => outside[usize::from(byte)] = part,
                Role::Weights => weights = bytemuck::cast_slice_mut(part),
            },
        );
        let context = Context {
            plan,
            stage,
            read: &read[..reads],
            outside: &outside,
            weights: self.parameters.fill(plan, stage.group.steps.start, weights),
            parameters: &self.parameters,
            kernels: &self.kernels,
            clock: &self.clock,
        };
        // A measured step is the last of its stage.
        let moments = &mut self.moments[stage.group.steps.end - 1];
        let share = Share {
            slabs: 0..stage.group.slabs.count,
            written,
            workspace,
            moments,
        };
        slab::run(&context, share);
    }

    /// Turns the statistics that stage `index` collected into coefficients.
    fn normalise_after(&mut self, index: usize) {
        let last = self.plan.stages[index].group.steps.end - 1;
        let step = &self.plan.steps[last];
        if let (true, [Some(measured), _]) = (step.measured, step.outputs()) {
            let tensor = &self.plan.tensors[measured];
            self.parameters.normalise(
                &self.plan.normalisations,
                measured,
                tensor,
                &self.moments[last],
            );
        }
    }
}

/// The memory of `plan`, with the planes outside the volume filled in.
fn arena(plan: &Plan) -> Buffer {
    let mut arena = Buffer::zeroed(plan.arena_bytes);
    // Every stage has the same ones.
    let regions = plan.stages.iter().take(1).flat_map(|stage| &stage.regions);
    for region in regions {
        if let Role::Outside(byte) = region.role {
            arena.bytes_mut()[region.offset..][..region.len].fill(byte);
        }
    }
    arena
}

fn expect(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Length {
            what,
            found,
            expected,
        })
    }
}
