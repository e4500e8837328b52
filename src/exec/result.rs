//! The network's result: blocks to planar channels, logits to probabilities.

use endocast_kernels::contract::{LANES, PlaneShape};

use super::exponential::exp;
use crate::plan::{Link, Tensor};

/// Copies the logical channels of a blocked plane to a planar one and applies `link`.
pub fn unpack(blocked: &[f32], tensor: &Tensor, link: Link, planar: &mut [f32]) {
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
        Link::Sigmoid => planar.iter_mut().for_each(|x| *x = 1.0 / (1.0 + exp(-*x))),
        Link::Softmax => {
            for voxel in 0..area {
                let channels = (voxel..planar.len()).step_by(area);
                let highest = channels
                    .clone()
                    .map(|at| planar[at])
                    .fold(f32::MIN, f32::max);
                let mut sum = 0.0;
                for at in channels.clone() {
                    planar[at] = exp(planar[at] - highest);
                    sum += planar[at];
                }
                channels.for_each(|at| planar[at] /= sum);
            }
        }
    }
}
