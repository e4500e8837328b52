//! One slab of one stage: its planes, in order, on one thread.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use endocast_kernels::contract::LANES;
use endocast_kernels::registry::{
    self, LinkKernel, MomentsKernel, PointwiseKernel, Policy, QuantizeKernel, UpsampleKernel,
};

use super::parameters::Parameters;
use crate::clock::Instant;
use crate::plan::{
    Home, MAX_STEPS, Plan, Schedule, Stage, Step, Tensor, TensorId, Work, first_planes,
};

/// Most rings of a stage: two outputs a step.
const MAX_RINGS: usize = 2 * MAX_STEPS;

/// Kernels that do not depend on a step's shape.
pub struct Kernels {
    pub upsample: &'static UpsampleKernel,
    pub pointwise: &'static PointwiseKernel,
    pub moments: &'static MomentsKernel,
    pub quantise: &'static QuantizeKernel,
    pub link: &'static LinkKernel,
}

impl Kernels {
    /// The processor's best.
    pub fn new(policy: Policy) -> Kernels {
        Kernels {
            upsample: registry::upsample(policy).kernel,
            pointwise: registry::pointwise(policy).kernel,
            moments: registry::moments(policy).kernel,
            quantise: registry::quantize(policy).kernel,
            link: registry::link(policy).kernel,
        }
    }
}

/// What all slabs of a stage share.
pub struct Context<'a> {
    pub plan: &'a Plan,
    pub stage: &'a Stage,
    pub read: &'a [(TensorId, &'a [u8])],
    /// By the byte of which they consist: the planes outside the volume.
    pub outside: &'a [&'a [u8]; 256],
    /// Weights of the stage's only step, made for this run.
    pub weights: &'a [f32],
    pub parameters: &'a Parameters,
    pub kernels: &'a Kernels,
    pub clock: &'a [AtomicU64],
}

/// Consecutive planes of a tensor that is stored whole.
#[derive(Default)]
pub struct Written<'a> {
    pub id: TensorId,
    pub planes: Range<usize>,
    pub data: &'a mut [u8],
}

/// What consecutive slabs of a stage write to.
pub struct Share<'a> {
    pub slabs: Range<usize>,
    pub written: [Written<'a>; 2 * MAX_STEPS],
    pub workspace: &'a mut [u8],
    pub moments: &'a mut [f64],
}

/// Elements of the sums and squares of one plane.
pub fn moments_len(tensor: &Tensor) -> usize {
    2 * tensor.blocks() * LANES
}

/// Runs the slabs of `share`, in parallel where the caller is in a thread pool.
pub fn run(context: &Context, share: Share) {
    if share.slabs.len() > 1 {
        let (low, high) = share.split(context);
        rayon::join(|| run(context, low), || run(context, high));
    } else {
        Slab::new(context, share).run();
    }
}

impl Context<'_> {
    /// Elements of one plane's statistics; 0 unless the stage's last step is measured.
    pub fn moments_len(&self) -> usize {
        let step = &self.plan.steps[self.stage.group.steps.end - 1];
        match step.outputs()[0] {
            Some(id) if step.measured => moments_len(&self.plan.tensors[id]),
            _ => 0,
        }
    }
}

impl<'a> Share<'a> {
    fn split(self, context: &Context) -> (Share<'a>, Share<'a>) {
        let (plan, stage) = (context.plan, context.stage);
        let middle = self.slabs.start + self.slabs.len() / 2;
        let start_of = |depth: usize, index: usize| stage.group.slabs.planes(depth, index).start;
        let mut low: [Written; 2 * MAX_STEPS] = Default::default();
        let mut high: [Written; 2 * MAX_STEPS] = Default::default();
        for (index, Written { id, planes, data }) in self.written.into_iter().enumerate() {
            if !planes.is_empty() {
                let tensor = &plan.tensors[id];
                let cut = start_of(tensor.depth, middle);
                let (below, above) = data.split_at_mut((cut - planes.start) * tensor.plane_bytes());
                low[index] = Written {
                    id,
                    planes: planes.start..cut,
                    data: below,
                };
                high[index] = Written {
                    id,
                    planes: cut..planes.end,
                    data: above,
                };
            }
        }
        let cut = (middle - self.slabs.start) * stage.slab_bytes();
        let workspace = self.workspace.split_at_mut(cut);
        let depth = plan.steps[stage.group.steps.end - 1].depth;
        let cut = start_of(depth, middle) - start_of(depth, self.slabs.start);
        let moments = self.moments.split_at_mut(cut * context.moments_len());
        let share = |slabs, written, workspace, moments| Share {
            slabs,
            written,
            workspace,
            moments,
        };
        (
            share(self.slabs.start..middle, low, workspace.0, moments.0),
            share(middle..self.slabs.end, high, workspace.1, moments.1),
        )
    }
}

pub struct Slab<'a> {
    pub context: &'a Context<'a>,
    pub index: usize,
    pub written: [Written<'a>; 2 * MAX_STEPS],
    /// In the order of the stage's list.
    pub rings: [&'a mut [u8]; MAX_RINGS],
    pub scratch: &'a mut [f32],
    pub moments: &'a mut [f64],
}

impl<'a> Slab<'a> {
    fn new(context: &'a Context<'a>, share: Share<'a>) -> Slab<'a> {
        let mut rings: [&mut [u8]; MAX_RINGS] = Default::default();
        let mut memory = share.workspace;
        for (ring, &id) in rings.iter_mut().zip(&context.stage.rings) {
            let tensor = &context.plan.tensors[id];
            if let Home::Ring { slots, .. } = tensor.home {
                let (part, rest) = memory.split_at_mut(slots * tensor.plane_bytes());
                (*ring, memory) = (part, rest);
            }
        }
        let scratch = context.stage.scratch_len * size_of::<f32>();
        let scratch = bytemuck::cast_slice_mut(&mut memory[..scratch]);
        let index = share.slabs.start;
        Slab {
            context,
            index,
            written: share.written,
            rings,
            scratch,
            moments: share.moments,
        }
    }

    fn run(mut self) {
        let Context { plan, stage, .. } = *self.context;
        let steps = &plan.steps[stage.group.steps.clone()];
        let slabs = stage.group.slabs;
        if let [
            step @ Step {
                work: Work::Conv(conv),
                ..
            },
        ] = steps
        {
            // Alone, a convolution keeps each block of weights in cache over all planes.
            let own = slabs.planes(step.depth, self.index);
            for block in 0..self.output_blocks(stage.group.steps.start) {
                for z in own.clone().step_by(step.planes) {
                    self.timed(0, |slab| {
                        slab.conv(stage.group.steps.start, conv, z, block..block + 1)
                    });
                }
            }
            own.for_each(|z| self.finish_plane(step, z));
            return;
        }
        let mut next = [0; MAX_STEPS];
        first_planes(steps, &plan.tensors, self.index, slabs, &mut next);
        let mut schedule = Schedule {
            group: steps,
            tensors: &plan.tensors,
            next: &mut next,
        };
        schedule.run(self.index, slabs, |step, z| {
            self.timed(step, |slab| slab.compute(stage.group.steps.start + step, z));
        });
    }

    /// Runs `work` and books its time on the stage's step number `step`.
    fn timed(&mut self, step: usize, work: impl FnOnce(&mut Self)) {
        let start = Instant::now();
        work(self);
        let spent = start.elapsed().as_nanos() as u64;
        self.context.clock[self.context.stage.group.steps.start + step].fetch_add(spent, Relaxed);
    }

    /// Output blocks of the convolution that is the plan's step `index`.
    pub fn output_blocks(&self, index: usize) -> usize {
        let conv = self.context.plan.convs[index].as_ref();
        conv.map_or(0, |conv| conv.problem.outputs)
    }
}
