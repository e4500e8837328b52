//! A model's numbers in the form in which the kernels of a plan read them.

use std::sync::Arc;

use endocast_kernels::contract::{GROUP, LANES};
use endocast_weights::{Model, Role};
use rayon::prelude::*;

use super::Error;
use super::memory::Buffer;
use crate::plan::{
    Coefficients, Conv, ConvChoice, Kernel, Normalisation, Plan, Tensor, TensorId, Work,
};

/// Where the weights of a convolution are.
enum Weights {
    /// The step is no convolution.
    None,
    /// In the model, as packed.
    Model,
    /// Expanded from half precision, or in the kernel's own form.
    Own(Buffer),
    /// Made when their stage starts.
    Passing,
    /// 8-bit integers in the model, and what is added to the sums of each output channel.
    Int8(Vec<i32>),
}

/// What an int8 convolution needs beside its bias.
pub struct Int8<'a> {
    /// Packed weights.
    pub weights: &'a [i8],
    /// Per output channel, minus the sum of weights times the input's zero.
    pub offset: &'a [i32],
    /// Per output channel, the worth of one step of the sum.
    pub scale: &'a [f32],
}

/// Scale and shift of a channel map, one value per channel of whole blocks.
type Map = [Vec<f32>; 2];

/// See the module's description.
pub struct Parameters {
    model: Arc<Model>,
    /// Per step.
    weights: Vec<Weights>,
    /// Per step: the graph node of a convolution, and its bias.
    biases: Vec<(usize, Vec<f32>)>,
    /// Per graph node: the scale and shift it owns.
    maps: Vec<Map>,
    /// Per normalisation: the scale and shift that this run's statistics gave.
    normalised: Vec<Map>,
    identity: Map,
}

impl Parameters {
    /// Collects what `plan` needs from the model it was made for.
    pub fn new(model: Arc<Model>, plan: &Plan) -> Result<Parameters, Error> {
        let vector =
            |node: usize, role| model.tensor(node, role).map_or(Vec::new(), |v| v.to_vec());
        let mut weights = Vec::new();
        let mut biases = Vec::new();
        for (index, (step, conv)) in plan.steps.iter().zip(&plan.convs).enumerate() {
            let (Work::Conv(Conv { node, .. }), Some(conv)) = (&step.work, conv) else {
                weights.push(Weights::None);
                biases.push((0, Vec::new()));
                continue;
            };
            let mismatch = || Error::Mismatch {
                node: step.name.clone(),
            };
            weights.push(match &conv.kernel {
                Kernel::Single(_) => {
                    if model.tensor_len(*node, Role::Weight) != Some(conv.packed_len()) {
                        return Err(mismatch());
                    }
                    if conv.prepared_len() == 0 && model.in_place(*node, Role::Weight).is_some() {
                        Weights::Model
                    } else if plan.has_passing_weights(index) {
                        Weights::Passing
                    } else {
                        Weights::Own(own(&model, *node, conv))
                    }
                }
                Kernel::Int8(_) => {
                    let packed = model.int8_weights(*node).ok_or_else(mismatch)?;
                    let zero = model.graph().quantisation(*node).map_or(0, |q| q.zero);
                    let per_block = conv.problem.int8_weights_per_block();
                    Weights::Int8(offsets(packed, per_block, zero))
                }
            });
            biases.push((*node, vector(*node, Role::Bias)));
        }
        let nodes = 0..model.graph().nodes().len();
        let maps = nodes.map(|node| [Role::Scale, Role::Shift].map(|role| vector(node, role)));
        let widest = plan.tensors.iter().map(Tensor::blocks).max().unwrap_or(0) * LANES;
        let normalised = plan.normalisations.iter().map(|normalisation| {
            let len = plan.tensors[normalisation.measured].blocks() * LANES;
            [vec![0.0; len], vec![0.0; len]]
        });
        Ok(Parameters {
            normalised: normalised.collect(),
            maps: maps.collect(),
            weights,
            biases,
            identity: [vec![1.0; widest], vec![0.0; widest]],
            model,
        })
    }

    /// Weights of the convolution that is step number `step`, unless they were made for this run.
    pub fn weights(&self, step: usize) -> &[f32] {
        let model = || self.model.in_place(self.biases[step].0, Role::Weight);
        match &self.weights[step] {
            Weights::None | Weights::Int8(_) | Weights::Passing => &[],
            Weights::Own(own) => own.as_f32(),
            Weights::Model => model().unwrap_or(&[]),
        }
    }

    /// Makes the weights of step number `step` in `memory`, laid out as
    /// [`Weights`](crate::plan::Role::Weights) says, and returns them; nothing if they are kept.
    pub fn fill<'a>(&self, plan: &Plan, step: usize, memory: &'a mut [f32]) -> &'a [f32] {
        let (Weights::Passing, Some(conv)) = (&self.weights[step], &plan.convs[step]) else {
            return &[];
        };
        let (packed, own) = memory.split_at_mut(conv.packed_len());
        let expand = |block: usize, packed: &mut [f32]| {
            let first = block * packed.len();
            self.model
                .copy_tensor(self.biases[step].0, Role::Weight, first, packed);
        };
        let from = conv.problem.weights_per_block();
        let blocks = packed.par_chunks_exact_mut(from).enumerate();
        if own.is_empty() {
            blocks.for_each(|(block, packed)| expand(block, packed));
            return packed;
        }
        let to = own.len() / conv.problem.outputs;
        blocks
            .zip(own.par_chunks_exact_mut(to))
            .for_each(|((block, packed), own)| {
                expand(block, packed);
                conv.prepare(packed, own);
            });
        own
    }

    /// Parameters of the int8 convolution that is step number `step`.
    pub fn int8(&self, step: usize) -> Int8<'_> {
        let node = self.biases[step].0;
        let offset: &[i32] = match &self.weights[step] {
            Weights::Int8(offset) => offset,
            _ => &[],
        };
        Int8 {
            weights: self.model.int8_weights(node).unwrap_or_default(),
            offset,
            scale: &self.maps[node][0],
        }
    }

    /// Bias of the convolution that is step number `step`.
    pub fn bias(&self, step: usize) -> &[f32] {
        &self.biases[step].1
    }

    /// Scale and shift for a tensor of `blocks` channel blocks.
    pub fn coefficients(&self, coefficients: &Coefficients, blocks: usize) -> (&[f32], &[f32]) {
        let [scale, shift] = match coefficients {
            Coefficients::Identity => &self.identity,
            Coefficients::Node(node) => &self.maps[*node],
            Coefficients::Normalised(index) => &self.normalised[*index],
        };
        (&scale[..blocks * LANES], &shift[..blocks * LANES])
    }

    /// Derives the coefficients of every normalisation of `measured` from the sums and squares of its
    /// planes, `[plane][2][channels]`; planes are added in order.
    pub fn normalise(
        &mut self,
        normalisations: &[Normalisation],
        measured: TensorId,
        tensor: &Tensor,
        moments: &[f64],
    ) {
        let lanes = tensor.blocks() * LANES;
        let voxels = tensor.grid().iter().product::<usize>() as f64;
        for (normalisation, [scale, shift]) in normalisations.iter().zip(&mut self.normalised) {
            if normalisation.measured != measured {
                continue;
            }
            let [own_scale, own_shift] = &self.maps[normalisation.node];
            for channel in 0..tensor.channels {
                let (mut sum, mut squares) = (0.0, 0.0);
                for plane in moments.chunks_exact(2 * lanes) {
                    sum += plane[channel];
                    squares += plane[lanes + channel];
                }
                let mean = sum / voxels;
                let variance = (squares / voxels - mean * mean).max(0.0);
                let factor = f64::from(own_scale[channel])
                    / (variance + f64::from(normalisation.epsilon)).sqrt();
                scale[channel] = factor as f32;
                shift[channel] = (f64::from(own_shift[channel]) - factor * mean) as f32;
            }
        }
    }

    /// What [`bytes`](Self::bytes) will be for `plan` of `model`.
    pub fn planned_bytes(model: &Model, plan: &Plan) -> usize {
        let convs = plan.steps.iter().zip(&plan.convs).enumerate();
        let kept = convs.filter_map(|(index, (step, conv))| {
            let (Work::Conv(Conv { node, .. }), Some(conv)) = (&step.work, conv) else {
                return None;
            };
            if let Kernel::Int8(_) = conv.kernel {
                return Some(conv.problem.outputs * LANES * size_of::<i32>());
            }
            let numbers = match conv.prepared_len() {
                0 if model.in_place(*node, Role::Weight).is_some() => 0,
                _ if plan.has_passing_weights(index) => 0,
                0 => conv.packed_len(),
                own => own,
            };
            Some(numbers * size_of::<f32>())
        });
        kept.sum()
    }

    /// Bytes of weights beside the model's own.
    pub fn bytes(&self) -> usize {
        let own = self.weights.iter().map(|weights| match weights {
            Weights::Own(own) => own.len(),
            Weights::Int8(offset) => size_of_val(&offset[..]),
            Weights::None | Weights::Model | Weights::Passing => 0,
        });
        own.sum()
    }
}

/// The weights of a convolution in single precision as its kernel reads them.
fn own(model: &Model, node: usize, conv: &ConvChoice) -> Buffer {
    let mut packed = Buffer::zeroed(conv.packed_len() * size_of::<f32>());
    model.copy_tensor(node, Role::Weight, 0, packed.as_f32_mut());
    if conv.prepared_len() == 0 {
        return packed;
    }
    let mut own = Buffer::zeroed(conv.prepared_len() * size_of::<f32>());
    conv.prepare(packed.as_f32(), own.as_f32_mut());
    own
}

/// For each output channel, minus the sum of its packed weights times `zero`.
fn offsets(packed: &[i8], per_block: usize, zero: u8) -> Vec<i32> {
    let blocks = packed.chunks_exact(per_block);
    let sums = blocks.flat_map(|block| {
        let mut sums = [0; LANES];
        for line in block.as_chunks::<GROUP>().0.chunks_exact(LANES) {
            for (sum, weights) in sums.iter_mut().zip(line) {
                *sum += weights.iter().map(|&weight| i32::from(weight)).sum::<i32>();
            }
        }
        sums
    });
    sums.map(|sum| -i32::from(zero) * sum).collect()
}
