//! One slab of one stage: its planes, in order, on one thread.

use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use endocast_kernels::contract::{
    Activated, ConvArgs, Epilogue, MomentsArgs, Plane, PlaneMut, PlaneShape, PointwiseArgs, Source,
    UpsampleArgs,
};
use endocast_kernels::registry::{self, MomentsKernel, PointwiseKernel, Policy, UpsampleKernel};

use super::parameters::Parameters;
use crate::plan::{
    Conv, Home, Layout, Link, MAX_INPUTS, MAX_STEPS, Plan, Schedule, Stage, Step, Tensor, TensorId,
    Work, first_planes, slab,
};

/// Most rings of a stage: two outputs a step.
const MAX_RINGS: usize = 2 * MAX_STEPS;

/// Kernels that do not depend on a step's shape.
pub struct Kernels {
    upsample: &'static UpsampleKernel,
    pointwise: &'static PointwiseKernel,
    moments: &'static MomentsKernel,
}

impl Kernels {
    /// The processor's best.
    pub fn new(policy: Policy) -> Kernels {
        Kernels {
            upsample: registry::upsample(policy).kernel,
            pointwise: registry::pointwise(policy).kernel,
            moments: registry::moments(policy).kernel,
        }
    }
}

/// What all slabs of a stage share.
pub struct Context<'a> {
    pub plan: &'a Plan,
    pub stage: &'a Stage,
    pub read: &'a [(TensorId, &'a [f32])],
    pub zeros: &'a [f32],
    pub parameters: &'a Parameters,
    pub kernels: &'a Kernels,
    pub clock: &'a [AtomicU64],
}

/// Consecutive planes of a tensor that is stored whole.
#[derive(Default)]
pub struct Written<'a> {
    pub id: TensorId,
    pub planes: Range<usize>,
    pub data: &'a mut [f32],
}

/// What consecutive slabs of a stage write to.
pub struct Share<'a> {
    pub slabs: Range<usize>,
    pub written: [Written<'a>; 2 * MAX_STEPS],
    pub workspace: &'a mut [f32],
    pub moments: &'a mut [f64],
}

/// Elements of the sums and squares of one plane.
pub fn moments_len(tensor: &Tensor) -> usize {
    2 * tensor.blocks() * endocast_kernels::contract::LANES
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
    fn moments_len(&self) -> usize {
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
        let start_of = |depth: usize, index: usize| slab(depth, index, stage.group.slabs).start;
        let mut low: [Written; 2 * MAX_STEPS] = Default::default();
        let mut high: [Written; 2 * MAX_STEPS] = Default::default();
        for (index, Written { id, planes, data }) in self.written.into_iter().enumerate() {
            if !planes.is_empty() {
                let tensor = &plan.tensors[id];
                let cut = start_of(tensor.depth, middle);
                let (below, above) = data.split_at_mut((cut - planes.start) * tensor.plane_len());
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
        let cut = (middle - self.slabs.start) * stage.slab_len();
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

struct Slab<'a> {
    context: &'a Context<'a>,
    index: usize,
    written: [Written<'a>; 2 * MAX_STEPS],
    /// In the order of the stage's list.
    rings: [&'a mut [f32]; MAX_RINGS],
    scratch: &'a mut [f32],
    moments: &'a mut [f64],
}

/// One plane on loan from where it is stored.
struct Loan<'a> {
    data: &'a mut [f32],
    place: Place,
    plane: Range<usize>,
    shape: PlaneShape,
}

#[derive(Clone, Copy)]
enum Place {
    Ring(usize),
    Written(usize),
}

impl Loan<'_> {
    fn plane(&mut self) -> PlaneMut<'_> {
        PlaneMut {
            data: &mut self.data[self.plane.clone()],
            halo: self.shape.halo,
        }
    }
}

impl<'a> Slab<'a> {
    fn new(context: &'a Context<'a>, share: Share<'a>) -> Slab<'a> {
        let mut rings: [&mut [f32]; MAX_RINGS] = Default::default();
        let mut memory = share.workspace;
        for (ring, &id) in rings.iter_mut().zip(&context.stage.rings) {
            let tensor = &context.plan.tensors[id];
            if let Home::Ring { slots, .. } = tensor.home {
                let (part, rest) = memory.split_at_mut(slots * tensor.plane_len());
                (*ring, memory) = (part, rest);
            }
        }
        let scratch = &mut memory[..context.stage.scratch_len];
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
            for block in 0..self.output_blocks(stage.group.steps.start) {
                for z in slab(step.depth, self.index, slabs) {
                    self.timed(0, |slab| {
                        slab.conv(stage.group.steps.start, conv, z, block..block + 1)
                    });
                }
            }
            for z in slab(step.depth, self.index, slabs) {
                self.finish_plane(step, z);
            }
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
            self.timed(step, |slab| slab.plane(stage.group.steps.start + step, z));
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
    fn output_blocks(&self, index: usize) -> usize {
        let conv = self.context.plan.convs[index].as_ref();
        conv.map_or(0, |conv| conv.problem.outputs)
    }

    /// Computes plane `z` of the plan's step `index`.
    fn plane(&mut self, index: usize, z: usize) {
        let context = self.context;
        let step = &context.plan.steps[index];
        match &step.work {
            Work::Conv(conv) => {
                self.conv(index, conv, z, 0..self.output_blocks(index));
            }
            Work::Upsample {
                source,
                planes,
                rows,
                columns,
                slope,
                out,
            } => {
                let tensor = &context.plan.tensors[*source];
                let tap = planes[z];
                let low = tap.index as usize;
                let high = low + usize::from(tap.fraction != 0.0);
                let scratch = mem::take(&mut self.scratch);
                if let Some(mut out) = self.lend(*out, z) {
                    context.kernels.upsample.run(&mut UpsampleArgs {
                        planes: [self.read(*source, low), self.read(*source, high)],
                        shape: tensor.shape,
                        blocks: tensor.blocks(),
                        fraction: tap.fraction,
                        rows,
                        columns,
                        slope: *slope,
                        out: out.plane().into(),
                        scratch,
                    });
                    self.take_back(out);
                }
                self.scratch = scratch;
            }
            Work::Pointwise {
                source,
                addend,
                coefficients,
                activation,
                out,
            } => {
                let tensor = &context.plan.tensors[*source];
                let (scale, shift) = context
                    .parameters
                    .coefficients(coefficients, tensor.blocks());
                if let Some(mut out) = self.lend(*out, z) {
                    context.kernels.pointwise.run(&mut PointwiseArgs {
                        input: self.read_plane(*source, z),
                        addend: addend.map(|addend| self.read_plane(addend, z)),
                        height: tensor.shape.height,
                        width: tensor.shape.width,
                        blocks: tensor.blocks(),
                        scale,
                        shift,
                        activation: *activation,
                        out: out.plane().into(),
                    });
                    self.take_back(out);
                }
            }
            Work::Result { source, link, out } => {
                let tensor = &context.plan.tensors[*source];
                if let Some(mut out) = self.lend(*out, z) {
                    unpack(self.read(*source, z), tensor, *link, out.plane().data);
                    self.take_back(out);
                }
            }
        }
        self.finish_plane(step, z);
    }

    fn conv(&mut self, index: usize, conv: &Conv, z: usize, blocks: Range<usize>) {
        let context = self.context;
        let Some(choice) = &context.plan.convs[index] else {
            return;
        };
        let empty = Source {
            planes: [&[]; 3],
            shape: PlaneShape {
                height: 0,
                width: 0,
                halo: 0,
            },
            blocks: 0,
        };
        let scratch = mem::take(&mut self.scratch);
        let mut raw = conv.raw.and_then(|id| self.lend(id, z));
        let mut activated = conv
            .activated
            .as_ref()
            .and_then(|(_, _, id)| self.lend(*id, z));

        let mut sources = [empty; MAX_INPUTS];
        for (source, &id) in sources.iter_mut().zip(&conv.sources) {
            let tensor = &context.plan.tensors[id];
            let plane = |dz: usize| {
                let at = (z * conv.stride + dz * conv.dilation).checked_sub(conv.dilation);
                match at.filter(|&at| at < tensor.depth) {
                    Some(at) if conv.kernel == 3 || dz == 1 => self.read(id, at),
                    _ => &context.zeros[..tensor.plane_len()],
                }
            };
            *source = Source {
                planes: [plane(0), plane(1), plane(2)],
                shape: tensor.shape,
                blocks: tensor.blocks(),
            };
        }
        let outputs = choice.problem.outputs;
        let mut args = ConvArgs {
            problem: choice.problem,
            sources: &sources[..conv.sources.len()],
            weights: context.parameters.weights(index),
            bias: context.parameters.bias(index),
            blocks,
            epilogue: Epilogue {
                residual: conv.residual.map(|id| self.read_plane(id, z)),
                slope: conv.slope,
                raw: raw.as_mut().map(|loan| loan.plane().into()),
                activated: conv.activated.as_ref().zip(activated.as_mut()).map(
                    |((coefficients, slope, _), loan)| {
                        let (scale, shift) = context.parameters.coefficients(coefficients, outputs);
                        Activated {
                            scale,
                            shift,
                            slope: *slope,
                            out: loan.plane().into(),
                        }
                    },
                ),
            },
            scratch,
        };
        choice.choice.kernel.run(&mut args);
        self.scratch = scratch;
        raw.into_iter()
            .chain(activated)
            .for_each(|loan| self.take_back(loan));
    }

    /// What remains once all blocks of plane `z` are there: zero halos and statistics.
    fn finish_plane(&mut self, step: &Step, z: usize) {
        let context = self.context;
        for id in step.outputs().into_iter().flatten() {
            let tensor = &context.plan.tensors[id];
            if tensor.shape.halo > 0
                && let Some(mut loan) = self.lend(id, z)
            {
                clear_halo(loan.plane().data, tensor);
                self.take_back(loan);
            }
        }
        if let (true, [Some(id), _]) = (step.measured, step.outputs()) {
            let tensor = &context.plan.tensors[id];
            let len = context.moments_len();
            let start = slab(step.depth, self.index, context.stage.group.slabs).start;
            let moments = mem::take(&mut self.moments);
            if z >= start
                && let Some(plane) = moments.get_mut((z - start) * len..(z - start + 1) * len)
            {
                let (sums, squares) = plane.split_at_mut(len / 2);
                context.kernels.moments.run(&mut MomentsArgs {
                    input: self.read_plane(id, z),
                    height: tensor.shape.height,
                    width: tensor.shape.width,
                    blocks: tensor.blocks(),
                    sums,
                    squares,
                });
            }
            self.moments = moments;
        }
    }

    /// Plane `z` of tensor `id`, to be read.
    fn read(&self, id: TensorId, z: usize) -> &[f32] {
        let tensor = &self.context.plan.tensors[id];
        let len = tensor.plane_len();
        if let Home::Ring { slots, .. } = tensor.home {
            return &self.rings[self.ring(id)][z % slots * len..][..len];
        }
        if let Some((_, data)) = self.context.read.iter().find(|(read, _)| *read == id) {
            return &data[z * len..][..len];
        }
        match self.written.iter().find(|written| written.id == id) {
            Some(written) => &written.data[(z - written.planes.start) * len..][..len],
            None => &[],
        }
    }

    fn read_plane(&self, id: TensorId, z: usize) -> Plane<'_> {
        Plane {
            data: self.read(id, z),
            halo: self.context.plan.tensors[id].shape.halo,
        }
    }

    fn ring(&self, id: TensorId) -> usize {
        let rings = &self.context.stage.rings;
        rings.iter().position(|&ring| ring == id).unwrap_or(0)
    }

    /// Plane `z` of tensor `id`, to be written; `None` if another slab stores it.
    fn lend(&mut self, id: TensorId, z: usize) -> Option<Loan<'a>> {
        let tensor = &self.context.plan.tensors[id];
        let len = tensor.plane_len();
        let (place, slot, data) = match tensor.home {
            Home::Ring { slots, .. } => {
                let ring = self.ring(id);
                (
                    Place::Ring(ring),
                    z % slots,
                    mem::take(&mut self.rings[ring]),
                )
            }
            Home::Whole { .. } => {
                let mut written = self.written.iter();
                let index = written.position(|w| w.id == id && w.planes.contains(&z))?;
                let written = &mut self.written[index];
                let slot = z - written.planes.start;
                (Place::Written(index), slot, mem::take(&mut written.data))
            }
        };
        Some(Loan {
            data,
            place,
            plane: slot * len..(slot + 1) * len,
            shape: tensor.shape,
        })
    }

    fn take_back(&mut self, loan: Loan<'a>) {
        match loan.place {
            Place::Ring(ring) => self.rings[ring] = loan.data,
            Place::Written(index) => self.written[index].data = loan.data,
        }
    }
}

/// Zeros the halo of one plane.
fn clear_halo(plane: &mut [f32], tensor: &Tensor) {
    let PlaneShape { height, halo, .. } = tensor.shape;
    let lanes = match tensor.layout {
        Layout::Planar => 1,
        Layout::Blocked => endocast_kernels::contract::LANES,
    };
    let (pitch, side) = (tensor.shape.pitch() * lanes, halo * lanes);
    for block in plane.chunks_exact_mut(tensor.shape.area() * lanes) {
        for (row, values) in block.chunks_exact_mut(pitch).enumerate() {
            if row < halo || row >= halo + height {
                values.fill(0.0);
            } else {
                values[..side].fill(0.0);
                values[pitch - side..].fill(0.0);
            }
        }
    }
}

/// Copies the logical channels of a blocked plane to a planar one and applies `link`.
fn unpack(blocked: &[f32], tensor: &Tensor, link: Link, planar: &mut [f32]) {
    const LANES: usize = endocast_kernels::contract::LANES;
    let PlaneShape { height, width, .. } = tensor.shape;
    let area = height * width;
    for channel in 0..tensor.channels {
        let block = &blocked[channel / LANES * tensor.shape.area() * LANES..];
        for row in 0..height {
            let values = block[tensor.shape.voxel(row, 0) * LANES..].iter();
            let values = values.skip(channel % LANES).step_by(LANES);
            let out = &mut planar[channel * area + row * width..][..width];
            out.iter_mut()
                .zip(values)
                .for_each(|(out, value)| *out = *value);
        }
    }
    let planar = &mut planar[..tensor.channels * area];
    match link {
        Link::Identity => {}
        Link::Sigmoid => planar
            .iter_mut()
            .for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
        Link::Softmax => {
            for voxel in 0..area {
                let channels = (voxel..planar.len()).step_by(area);
                let highest = channels
                    .clone()
                    .map(|at| planar[at])
                    .fold(f32::MIN, f32::max);
                let mut sum = 0.0;
                for at in channels.clone() {
                    planar[at] = (planar[at] - highest).exp();
                    sum += planar[at];
                }
                channels.for_each(|at| planar[at] /= sum);
            }
        }
    }
}
