//! One plane of one step.

use std::mem;
use std::ops::Range;

use bytemuck::Pod;
use endocast_kernels::contract::{
    Activated, ConvArgs, ConvInt8Args, Epilogue, LinkArgs, MomentsArgs, NextPlane, PlaneShape,
    PointwiseArgs, QuantizeArgs, Source, Store, UpsampleArgs,
};

use super::planes::Loan;
use super::slab::Slab;
use crate::plan::{Conv, Kernel, MAX_INPUTS, Step, Work};

impl Slab<'_> {
    /// Computes the planes of the plan's step `index` of which `z` is the first.
    pub fn compute(&mut self, index: usize, z: usize) {
        let context = self.context;
        let step = &context.plan.steps[index];
        match &step.work {
            Work::Conv(conv) => self.conv(index, conv, z, 0..self.output_blocks(index)),
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
                if let Some(mut out) = self.lend(*out, z, 1) {
                    context.kernels.upsample.run(&mut UpsampleArgs {
                        planes: [low, high].map(|z| self.plane(*source, z).data),
                        shape: tensor.shape,
                        blocks: tensor.blocks(),
                        fraction: tap.fraction,
                        rows,
                        columns,
                        slope: *slope,
                        out: out.store(),
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
                if let Some(mut out) = self.lend(*out, z, 1) {
                    context.kernels.pointwise.run(&mut PointwiseArgs {
                        input: self.plane(*source, z),
                        addend: addend.map(|addend| self.plane(addend, z)),
                        height: tensor.shape.height,
                        width: tensor.shape.width,
                        blocks: tensor.blocks(),
                        scale,
                        shift,
                        activation: *activation,
                        out: out.store(),
                    });
                    self.take_back(out);
                }
            }
            Work::Quantise { source, out } => {
                let tensor = &context.plan.tensors[*source];
                if let Some(mut loan) = self.lend(*out, z, 1) {
                    if let Store::U8(out, quantisation) = loan.store() {
                        context.kernels.quantise.run(&mut QuantizeArgs {
                            input: self.plane(*source, z),
                            channels: tensor.channels,
                            height: tensor.shape.height,
                            width: tensor.shape.width,
                            quantisation,
                            out,
                        });
                    }
                    self.take_back(loan);
                }
            }
            Work::Result { source, link, out } => {
                let tensor = &context.plan.tensors[*source];
                if let Some(mut out) = self.lend(*out, z, 1) {
                    context.kernels.link.run(&mut LinkArgs {
                        input: self.plane(*source, z),
                        lanes: tensor.lanes(),
                        channels: tensor.channels,
                        height: tensor.shape.height,
                        width: tensor.shape.width,
                        link: *link,
                        out: out.plane(),
                    });
                    self.take_back(out);
                }
            }
        }
        (z..z + step.planes).for_each(|z| self.finish_plane(step, z));
    }

    /// Computes output `blocks` of the planes, `z` being the first, of the convolution that is the plan's
    /// step `index`.
    pub fn conv(&mut self, index: usize, conv: &Conv, z: usize, blocks: Range<usize>) {
        let context = self.context;
        let Some(choice) = &context.plan.convs[index] else {
            return;
        };
        let scratch = mem::take(&mut self.scratch);
        let count = context.plan.steps[index].planes;
        let mut raw = conv.raw.and_then(|id| self.lend(id, z, count));
        let activated = conv.activated.as_ref();
        let mut second = activated.and_then(|(_, _, id)| self.lend(*id, z, count));
        let epilogue = |z: usize, raw, out: Option<_>| Epilogue {
            residual: conv.residual.map(|id| self.plane(id, z)),
            slope: conv.slope,
            raw,
            activated: activated.zip(out).map(|((coefficients, slope, _), out)| {
                let blocks = choice.problem.outputs;
                let (scale, shift) = context.parameters.coefficients(coefficients, blocks);
                Activated {
                    scale,
                    shift,
                    slope: *slope,
                    out,
                }
            }),
        };
        let [raw_at, raw_next] = raw.as_mut().map_or([None, None], Loan::stores);
        let [second_at, second_next] = second.as_mut().map_or([None, None], Loan::stores);
        let first = epilogue(z, raw_at, second_at);
        match &choice.kernel {
            Kernel::Single(chosen) => {
                let next = self.next(conv, z);
                chosen.kernel.run(&mut ConvArgs {
                    problem: choice.problem,
                    sources: &self.sources(conv, z)[..conv.sources.len()],
                    weights: match context.weights {
                        [] => context.parameters.weights(index),
                        weights => weights,
                    },
                    bias: context.parameters.bias(index),
                    blocks,
                    epilogue: first,
                    next: (count > 1).then(|| NextPlane {
                        planes: &next[..conv.sources.len()],
                        epilogue: epilogue(z + 1, raw_next, second_next),
                    }),
                    scratch,
                });
            }
            Kernel::Int8(chosen) => {
                let int8 = context.parameters.int8(index);
                let next = self.next(conv, z);
                chosen.kernel.run(&mut ConvInt8Args {
                    problem: choice.problem,
                    sources: &self.sources(conv, z)[..conv.sources.len()],
                    weights: int8.weights,
                    offset: int8.offset,
                    scale: int8.scale,
                    bias: context.parameters.bias(index),
                    blocks,
                    epilogue: first,
                    next: (count > 1).then(|| NextPlane {
                        planes: &next[..conv.sources.len()],
                        epilogue: epilogue(z + 1, raw_next, second_next),
                    }),
                    scratch: bytemuck::cast_slice_mut(scratch),
                });
            }
        }
        self.scratch = scratch;
        let loans = raw.into_iter().chain(second);
        loans.for_each(|loan| self.take_back(loan));
    }

    /// The inputs of output plane `z` of `conv`, followed by empty ones.
    fn sources<T: Pod>(&self, conv: &Conv, z: usize) -> [Source<'_, T>; MAX_INPUTS] {
        let empty = Source {
            planes: [&[][..]; 3],
            shape: PlaneShape {
                height: 0,
                width: 0,
                halo: 0,
            },
            blocks: 0,
        };
        let mut sources = [empty; MAX_INPUTS];
        for (source, &id) in sources.iter_mut().zip(&conv.sources) {
            *source = self.source(conv, id, z);
        }
        sources
    }

    /// Input plane `z + 2` of each source of `conv`, which output plane `z + 1` needs besides.
    fn next<T: Pod>(&self, conv: &Conv, z: usize) -> [&[T]; MAX_INPUTS] {
        let mut planes = [&[][..]; MAX_INPUTS];
        for (plane, &id) in planes.iter_mut().zip(&conv.sources) {
            *plane = self.tap(conv, id, z, 3);
        }
        planes
    }

    /// What remains once all blocks of plane `z` are there: halos and statistics.
    pub fn finish_plane(&mut self, step: &Step, z: usize) {
        let context = self.context;
        for id in step.outputs().into_iter().flatten() {
            if context.plan.tensors[id].shape.halo > 0
                && let Some(mut loan) = self.lend(id, z, 1)
            {
                loan.fill_halo();
                self.take_back(loan);
            }
        }
        if let (true, [Some(id), _]) = (step.measured, step.outputs()) {
            let tensor = &context.plan.tensors[id];
            let len = context.moments_len();
            let own = context.stage.group.slabs.planes(step.depth, self.index);
            let moments = mem::take(&mut self.moments);
            if let Some(at) = z.checked_sub(own.start)
                && let Some(plane) = moments.get_mut(at * len..(at + 1) * len)
            {
                let (sums, squares) = plane.split_at_mut(len / 2);
                context.kernels.moments.run(&mut MomentsArgs {
                    input: self.plane(id, z),
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
}
