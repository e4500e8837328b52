//! A model's numbers in the form in which the kernels of a plan read them.

use std::sync::Arc;

use endocast_kernels::contract::LANES;
use endocast_weights::{Model, Role};

use super::Error;
use super::memory::Buffer;
use crate::plan::{Coefficients, Conv, Normalisation, Plan, Tensor, TensorId, Work};

/// Where the weights of a convolution are.
enum Weights {
    /// The step is no convolution.
    None,
    /// In the model, as packed.
    Model,
    /// Expanded from half precision, or in the kernel's own form.
    Own(Buffer),
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
        for (step, conv) in plan.steps.iter().zip(&plan.convs) {
            let (Work::Conv(Conv { node, .. }), Some(conv)) = (&step.work, conv) else {
                weights.push(Weights::None);
                biases.push((0, Vec::new()));
                continue;
            };
            let packed = model
                .tensor(*node, Role::Weight)
                .ok_or_else(|| Error::Mismatch {
                    node: step.name.clone(),
                })?;
            let kernel = conv.choice.kernel;
            weights.push(match kernel.prepared_len(&conv.problem) {
                Some(len) => {
                    let mut own = Buffer::zeroed(len);
                    kernel.prepare(&conv.problem, &packed, own.as_mut_slice());
                    Weights::Own(own)
                }
                None if packed.in_place().is_some() => Weights::Model,
                None => Weights::Own(Buffer::copied(&packed)),
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

    /// Weights of the convolution that is step number `step`.
    pub fn weights(&self, step: usize) -> &[f32] {
        match &self.weights[step] {
            Weights::None => &[],
            Weights::Own(own) => own.as_slice(),
            Weights::Model => {
                let packed = self.model.tensor(self.biases[step].0, Role::Weight);
                packed.and_then(|packed| packed.in_place()).unwrap_or(&[])
            }
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

    /// Bytes of weights beside the model's own.
    pub fn bytes(&self) -> usize {
        let own = self.weights.iter().map(|weights| match weights {
            Weights::Own(own) => own.as_slice().len(),
            Weights::None | Weights::Model => 0,
        });
        own.sum::<usize>() * size_of::<f32>()
    }
}
