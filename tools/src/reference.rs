//! Evaluates a network in double precision, one plain loop per operation. Slow; the measure for
//! everything fast.
//!
//! A network with quantised values is evaluated as its model file defines it: with 8-bit integers where
//! the graph says so, exact sums of their products, and every other operation rounded to single
//! precision. What the engine must return is then known bit for bit, except that convolutions that are
//! not quantised, norms, GELU, sigmoid and softmax are rounded only at their ends.

use endocast_weights::{Op, Quantisation, Role};

use crate::network::Network;

/// A volume of several channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Number of channels.
    pub channels: usize,
    /// Depth, height and width, in voxels.
    pub grid: [usize; 3],
    /// `[channel, z, y, x]`, x fastest.
    pub data: Vec<f64>,
}

impl Volume {
    /// A volume of zeros.
    pub fn zeros(channels: usize, grid: [usize; 3]) -> Volume {
        let data = vec![0.0; channels * grid.iter().product::<usize>()];
        Volume {
            channels,
            grid,
            data,
        }
    }

    /// Voxels of one channel.
    pub fn voxels(&self) -> usize {
        self.grid.iter().product()
    }

    /// One channel's voxels.
    pub fn channel(&self, channel: usize) -> &[f64] {
        &self.data[channel * self.voxels()..][..self.voxels()]
    }

    fn channel_mut(&mut self, channel: usize) -> &mut [f64] {
        let voxels = self.voxels();
        &mut self.data[channel * voxels..][..voxels]
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Volume {
        let mut result = self.clone();
        result.data.iter_mut().for_each(|value| *value = f(*value));
        result
    }

    /// Applies `f(channel number, value)` to all voxels.
    fn map_channels(&self, f: impl Fn(usize, f64) -> f64) -> Volume {
        let mut result = self.clone();
        for channel in 0..self.channels {
            result
                .channel_mut(channel)
                .iter_mut()
                .for_each(|value| *value = f(channel, *value));
        }
        result
    }
}

/// What is done to the result of each elementary operation.
type Rounding = fn(f64) -> f64;

fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// The results of all nodes of `network` for `image`, in the order of the nodes.
///
/// # Panics
/// If the image has another number of channels than the network reads, or if volumes that are added or
/// concatenated differ in their grids.
pub fn run(network: &Network, image: &Volume) -> Vec<Volume> {
    let mut results: Vec<Volume> = Vec::new();
    let quantised = network.graph.is_quantised();
    let round: Rounding = if quantised { single } else { |value| value };
    for (index, node) in network.graph.nodes().iter().enumerate() {
        let inputs: Vec<&Volume> = node.inputs.iter().map(|&input| &results[input]).collect();
        let tensor = |role| network.tensor(index, role);
        let result = match node.op {
            Op::Input { channels } => {
                assert_eq!(image.channels, channels, "channels of the image");
                image.clone()
            }
            Op::Conv {
                out,
                kernel,
                stride,
                dilation,
            } => {
                let (weight, bias) = (tensor(Role::Weight), tensor(Role::Bias));
                assert_eq!(weight.len(), out * inputs[0].channels * kernel.pow(3));
                let window = Window {
                    kernel,
                    stride,
                    dilation,
                };
                match network.graph.quantisation(index) {
                    None => conv(inputs[0], weight, bias, window).map(round),
                    Some(Quantisation { zero, .. }) => {
                        let steps = inputs[0].map(|q| q - f64::from(zero));
                        let scale = tensor(Role::Scale);
                        conv(&steps, weight, &vec![0.0; out], window)
                            .map_channels(|c, sum| round(round(round(sum) * scale[c]) + bias[c]))
                    }
                }
            }
            Op::Quantize(quantisation) => {
                inputs[0].map(|x| f64::from(quantisation.quantise(x as f32)))
            }
            Op::Affine => {
                let (scale, shift) = (tensor(Role::Scale), tensor(Role::Shift));
                inputs[0].map_channels(|c, x| round(round(scale[c] * x) + shift[c]))
            }
            Op::InstanceNorm { epsilon } => {
                let (scale, shift) = (tensor(Role::Scale), tensor(Role::Shift));
                let moments: Vec<(f64, f64)> = (0..inputs[0].channels)
                    .map(|c| moments(inputs[0].channel(c)))
                    .collect();
                inputs[0].map_channels(|c, x| {
                    let (mean, variance) = moments[c];
                    round(scale[c] * (x - mean) / (variance + f64::from(epsilon)).sqrt() + shift[c])
                })
            }
            Op::LeakyRelu { slope } => inputs[0].map(|x| x.max(round(f64::from(slope) * x))),
            Op::Gelu => {
                inputs[0].map(|x| round(x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2))))
            }
            Op::Sigmoid => inputs[0].map(|x| round(1.0 / (1.0 + (-x).exp()))),
            Op::Softmax => softmax(inputs[0]).map(round),
            Op::Upsample { factor } => upsample(inputs[0], factor, round),
            Op::Add => {
                assert_eq!(inputs[0].grid, inputs[1].grid, "grids of '{}'", node.name);
                let mut sum = inputs[0].clone();
                sum.data
                    .iter_mut()
                    .zip(&inputs[1].data)
                    .for_each(|(a, b)| *a = round(*a + b));
                sum
            }
            Op::Concat => {
                assert!(inputs.iter().all(|input| input.grid == inputs[0].grid));
                Volume {
                    channels: node.channels,
                    grid: inputs[0].grid,
                    data: inputs
                        .iter()
                        .flat_map(|input| &input.data)
                        .copied()
                        .collect(),
                }
            }
        };
        results.push(result);
    }
    results
}

/// Which voxels a convolution looks at.
#[derive(Clone, Copy)]
struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
}

/// Zero-padded cross-correlation; `weight` is `[out, in, dz, dy, dx]`.
fn conv(input: &Volume, weight: &[f64], bias: &[f64], window: Window) -> Volume {
    let Window {
        kernel,
        stride,
        dilation,
    } = window;
    let mut output = Volume::zeros(bias.len(), input.grid.map(|edge| edge.div_ceil(stride)));
    let [depth, height, width] = output.grid;
    let padding = dilation * (kernel / 2);
    // Where output index `i` reads along an axis of length `edge` at kernel offset `tap`.
    let source = |i: usize, tap: usize, edge: usize| {
        (i * stride + tap * dilation)
            .checked_sub(padding)
            .filter(|&at| at < edge)
    };
    let mut taps = weight.iter();
    for (out, bias) in bias.iter().enumerate() {
        let target = output.channel_mut(out);
        target.fill(*bias);
        for channel in 0..input.channels {
            let values = input.channel(channel);
            let offsets = (0..kernel.pow(3)).zip(taps.by_ref());
            for (tap, weight) in offsets {
                let (dz, dy, dx) = (tap / kernel.pow(2), tap / kernel % kernel, tap % kernel);
                for z in 0..depth {
                    let Some(from_z) = source(z, dz, input.grid[0]) else {
                        continue;
                    };
                    for y in 0..height {
                        let Some(from_y) = source(y, dy, input.grid[1]) else {
                            continue;
                        };
                        let row = &values[(from_z * input.grid[1] + from_y) * input.grid[2]..]
                            [..input.grid[2]];
                        let sums = &mut target[(z * height + y) * width..][..width];
                        let first = padding
                            .saturating_sub(dx * dilation)
                            .div_ceil(stride)
                            .min(width);
                        let start = (first * stride + dx * dilation).saturating_sub(padding);
                        let row = row.get(start..).unwrap_or_default().iter().step_by(stride);
                        for (sum, value) in sums[first..].iter_mut().zip(row) {
                            *sum += weight * value;
                        }
                    }
                }
            }
        }
    }
    output
}

/// Mean and biased variance.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    (mean, variance)
}

fn softmax(input: &Volume) -> Volume {
    let mut output = input.clone();
    let voxels = input.voxels();
    for voxel in 0..voxels {
        let at = |channel: usize| channel * voxels + voxel;
        let channels = 0..input.channels;
        let largest = channels
            .clone()
            .map(|c| input.data[at(c)])
            .fold(f64::MIN, f64::max);
        let sum: f64 = channels
            .clone()
            .map(|c| (input.data[at(c)] - largest).exp())
            .sum();
        for c in channels {
            output.data[at(c)] = (input.data[at(c)] - largest).exp() / sum;
        }
    }
    output
}

/// Trilinear interpolation, corners aligned: along z, then y, then x.
fn upsample(input: &Volume, factor: usize, round: Rounding) -> Volume {
    let mut output = Volume::zeros(input.channels, input.grid.map(|edge| edge * factor));
    let [_, height, width] = output.grid;
    // For an output index: the two input indices beside it, and the weight of the second.
    let neighbours = |index: usize, axis: usize| {
        let last = input.grid[axis] - 1;
        let (at, steps) = (index * last, (output.grid[axis] - 1).max(1));
        let below = at / steps;
        let fraction = (at % steps) as f64 / steps as f64;
        (below, (below + 1).min(last), round(fraction))
    };
    let between =
        |low: f64, high: f64, fraction: f64| round(low + round(fraction * round(high - low)));
    let mut voxels = Vec::with_capacity(output.data.len());
    for channel in 0..input.channels {
        let values = input.channel(channel);
        for index in 0..output.voxels() {
            let (z0, z1, fraction_z) = neighbours(index / (height * width), 0);
            let (y0, y1, fraction_y) = neighbours(index / width % height, 1);
            let (x0, x1, fraction_x) = neighbours(index % width, 2);
            let at =
                |z: usize, y: usize, x: usize| values[(z * input.grid[1] + y) * input.grid[2] + x];
            let along_z = |y: usize, x: usize| between(at(z0, y, x), at(z1, y, x), fraction_z);
            let along_y = |x: usize| between(along_z(y0, x), along_z(y1, x), fraction_y);
            voxels.push(between(along_y(x0), along_y(x1), fraction_x));
        }
    }
    output.data = voxels;
    output
}

/// The error function, by its series of positive terms
/// `2 / sqrt(pi) * exp(-x^2) * sum over n of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1))`.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    for n in 1.. {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
        if term.abs() <= sum.abs() * f64::EPSILON / 4.0 {
            break;
        }
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(channels: usize, grid: [usize; 3]) -> Volume {
        let mut volume = Volume::zeros(channels, grid);
        volume
            .data
            .iter_mut()
            .enumerate()
            .for_each(|(i, v)| *v = (i * i % 17) as f64 - 6.0);
        volume
    }

    #[test]
    fn conv_agrees_with_its_definition() {
        for (kernel, stride, dilation) in [(1, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 1, 9)] {
            let input = ramp(2, [6, 4, 8]);
            let weight: Vec<f64> = (0..3 * 2 * kernel * kernel * kernel)
                .map(|i| (i * 7 % 11) as f64 - 5.0)
                .collect();
            let window = Window {
                kernel,
                stride,
                dilation,
            };
            let output = conv(&input, &weight, &[1.0, 2.0, 3.0], window);
            let at = |c: usize, position: [isize; 3]| {
                let mut index = c as isize;
                for (p, edge) in position.into_iter().zip(input.grid) {
                    if p < 0 || p >= edge as isize {
                        return 0.0;
                    }
                    index = index * edge as isize + p;
                }
                input.data[index as usize]
            };
            let [depth, height, width] = output.grid;
            assert_eq!([depth, height, width], input.grid.map(|edge| edge / stride));
            for (index, &found) in output.data.iter().enumerate() {
                let (voxel, o) = (index % output.voxels(), index / output.voxels());
                let [z, y, x] = [
                    voxel / (height * width),
                    voxel / width % height,
                    voxel % width,
                ];
                let mut sum = (o + 1) as f64;
                for (w, &weight) in weight
                    .iter()
                    .enumerate()
                    .filter(|(w, _)| w / (2 * kernel.pow(3)) == o)
                {
                    let tap = w % kernel.pow(3);
                    let offset = |i: usize, tap: usize| {
                        (i * stride) as isize
                            + (tap as isize - (kernel / 2) as isize) * dilation as isize
                    };
                    let position = [
                        offset(z, tap / kernel.pow(2)),
                        offset(y, tap / kernel % kernel),
                        offset(x, tap % kernel),
                    ];
                    sum += weight * at(w / kernel.pow(3) % 2, position);
                }
                assert_eq!(found, sum);
            }
        }
    }

    #[test]
    fn upsampling_keeps_corners_and_constants() {
        let input = ramp(1, [1, 2, 3]);
        let output = upsample(&input, 2, |x| x);
        assert_eq!(output.grid, [2, 4, 6]);
        let [first, last] = [input.data[0], input.data[5]];
        assert_eq!([output.data[0], output.data[47]], [first, last]);
        assert!((output.data[1] - (0.6 * input.data[0] + 0.4 * input.data[1])).abs() < 1e-14);
        let mut constant = Volume::zeros(1, [3, 3, 3]);
        constant.data.fill(0.7);
        assert!(
            upsample(&constant, 4, |x| x)
                .data
                .iter()
                .all(|v| (v - 0.7).abs() < 1e-15)
        );
    }

    #[test]
    fn erf_of_known_arguments() {
        // Abramowitz and Stegun, table 7.1.
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.5204998778),
            (1.0, 0.8427007929),
            (2.0, 0.9953222650),
        ] {
            assert!((erf(x) - expected).abs() < 1e-10, "{x}");
            assert!((erf(-x) + expected).abs() < 1e-10, "{x}");
        }
        assert_eq!(erf(7.0), 1.0);
        assert!((erf(5.9) - 1.0).abs() < 1e-14);
    }

    #[test]
    fn softmax_sums_to_one() {
        let output = softmax(&ramp(3, [1, 1, 4]));
        for voxel in 0..4 {
            let sum: f64 = (0..3).map(|c| output.channel(c)[voxel]).sum();
            assert!((sum - 1.0).abs() < 1e-15);
        }
    }

    /// Two channels of which the second is quantised far off: padding must stand for zero.
    #[test]
    fn int8_convolutions_add_integers_and_pad_with_the_zero_point() {
        let mut network = Network::default();
        let quantisation = Quantisation {
            scale: 0.25,
            zero: 200,
        };
        let conv = Op::Conv {
            out: 1,
            kernel: 3,
            stride: 1,
            dilation: 1,
        };
        let weight: Vec<f64> = (0..27).map(|i| f64::from(i) - 9.0).collect();
        network
            .push("image", Op::Input { channels: 1 }, &[], vec![])
            .unwrap();
        network
            .push("q", Op::Quantize(quantisation), &[0], vec![])
            .unwrap();
        let [scale, bias] = [0.1_f32, 0.7];
        let tensors = vec![weight.clone(), vec![scale.into()], vec![bias.into()]];
        network.push("conv", conv, &[1], tensors).unwrap();
        let image = ramp(1, [3, 4, 5]);
        let results = run(&network, &image);
        // The ramp's values are whole and within -6..=10: multiples of the scale, none clamped.
        let expected = image.map(|x| x / 0.25 + 200.0);
        assert_eq!(results[1], expected.map(|q| q.min(255.0)));
        let window = Window {
            kernel: 3,
            stride: 1,
            dilation: 1,
        };
        let steps = results[1].map(|q| q - 200.0);
        let sums = super::conv(&steps, &weight, &[0.0], window);
        for (found, sum) in results[2].data.iter().zip(&sums.data) {
            assert_eq!(*found, f64::from(*sum as f32 * scale + bias));
        }
    }
}
