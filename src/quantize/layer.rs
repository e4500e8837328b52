//! The best int8 form of a single convolution, judged by its result on what it was seen to read.

use endocast_tools::Network;
use endocast_weights::{Quantisation, Role};
use ndarray::{Array2, ArrayView2, Axis};

use super::equalise::Channels;
use super::observe::{Reader, Site};
use super::range::{self, Histogram, Method, Preset};
use super::sensitivity::Sensitivity;
use super::weights::{self, Rounded, Rule};

/// Shares of the range of activations, against that of weights, that equalisation evens out.
const EQUALISATIONS: [f32; 3] = [0.5, 0.75, 1.0];

/// Channels whose range is smaller than the largest by more than this are scaled as if it were not.
const MAX_SPREAD: f32 = 64.0;

/// A convolution in int8.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The graph node.
    pub node: usize,
    /// Its name.
    pub name: String,
    /// Channels read and written.
    pub channels: [usize; 2],
    /// Edge of the kernel.
    pub kernel: usize,
    /// How what it reads is quantised.
    pub quantisation: Quantisation,
    /// How that range was found.
    pub method: Method,
    /// Ratio of signal to error of the result, in dB, for every range that was tried.
    pub tried: Vec<(Method, Quantisation, f64)>,
    /// Share of the activations' range that was moved into the weights; `None` for no equalisation.
    pub equalisation: Option<f32>,
    /// Ratio of signal to error of the weights, in dB, weighted by the power of what they multiply.
    pub weight_sqnr: f64,
    /// The same without [`Rule::Pairs`].
    pub free_weight_sqnr: f64,
    /// Ratio of signal to error of the result, in dB, after bias correction.
    pub sqnr: f64,
    /// What is added to each channel of the result.
    pub bias_correction: Vec<f32>,
    /// What it costs; measured only where layers may be reverted.
    pub sensitivity: Option<Sensitivity>,
    /// Whether it stays in single precision.
    pub reverted: bool,
    pub(super) weights: Rounded,
}

/// A tensor that convolutions read, in 8 bits.
pub(super) struct Fitted {
    /// The graph node that computes it.
    pub node: usize,
    /// Its steps.
    pub quantisation: Quantisation,
    /// By what its channels are divided; 1 for those that cannot be.
    pub factors: Vec<f32>,
    /// The convolutions that read it.
    pub layers: Vec<Layer>,
}

/// A convolution as a product of matrices.
struct Product<'a> {
    reader: &'a Reader,
    /// `[output][input * taps]`.
    weights: Array2<f32>,
    pairs: Vec<(usize, Option<usize>)>,
    taps: usize,
    /// `[place][output]`, without the bias.
    expected: Array2<f32>,
    /// Mean square of what each input channel holds.
    power: Vec<f32>,
}

/// Finds the quantisation of `site` and of the weights of the convolutions that read it.
pub(super) fn fit(network: &Network, site: &Site, channels: &Channels, preset: Preset) -> Fitted {
    let products: Vec<Product> = site
        .readers
        .iter()
        .map(|reader| Product::new(network, reader))
        .collect();
    let movable: Vec<bool> = (0..network.node(site.node).channels)
        .map(|channel| channels.is_movable(site.node, channel))
        .collect();
    let equalisations = EQUALISATIONS.map(Some).into_iter();
    let equalisations = equalisations.filter(|_| movable.contains(&true));
    let trials = std::iter::once(None).chain(equalisations);
    let trials = trials.map(|share| Trial::new(&products, &movable, share, preset));
    let best = trials.min_by(|a, b| a.error.total_cmp(&b.error));
    best.expect("no equalisation is a trial")
        .finish(network, site, preset)
}

impl Product<'_> {
    fn new<'a>(network: &Network, reader: &'a Reader) -> Product<'a> {
        let outputs = network.node(reader.node).channels;
        let weights = network.tensor(reader.node, Role::Weight).iter();
        let weights: Vec<f32> = weights.map(|&weight| weight as f32).collect();
        let width = weights.len() / outputs;
        let weights = Array2::from_shape_vec([outputs, width], weights);
        let weights = weights.expect("weights are outputs times width");
        let sources = network.graph.sources(reader.node);
        let sources: Vec<usize> = sources.iter().map(|&s| network.node(s).channels).collect();
        let inputs: usize = sources.iter().sum();
        let taps = width / inputs;
        let mut power = vec![0.0; inputs];
        for patch in reader.patches.rows() {
            for (at, value) in patch.iter().enumerate() {
                power[at / taps] += value * value;
            }
        }
        let count = (reader.patches.nrows() * taps).max(1) as f32;
        power.iter_mut().for_each(|power| *power /= count);
        Product {
            expected: reader.patches.dot(&weights.t()),
            reader,
            weights,
            pairs: weights::pairs(&sources),
            taps,
            power,
        }
    }

    /// Largest magnitude in every input channel of the patches.
    fn ranges(&self) -> Vec<f32> {
        let mut ranges = vec![0.0_f32; self.power.len()];
        for patch in self.reader.patches.rows() {
            for (at, value) in patch.iter().enumerate() {
                let range = &mut ranges[at / self.taps];
                *range = range.max(value.abs());
            }
        }
        ranges
    }

    /// Largest share that the weights of every input channel have in the largest of an output channel.
    fn weight_ranges(&self) -> Vec<f32> {
        let mut ranges = vec![0.0_f32; self.power.len()];
        for row in self.weights.rows() {
            let largest = row.iter().fold(0.0_f32, |max, w| max.max(w.abs()));
            for (at, weight) in row.iter().enumerate().filter(|_| largest > 0.0) {
                let range = &mut ranges[at / self.taps];
                *range = range.max(weight.abs() / largest);
            }
        }
        ranges
    }

    /// The patches with their channels divided by `factors`.
    fn divided(&self, factors: &[f32]) -> Array2<f32> {
        let inverse: Vec<f32> = factors.iter().map(|factor| 1.0 / factor).collect();
        let mut patches = self.reader.patches.clone();
        for mut patch in patches.rows_mut() {
            for (at, value) in patch.iter_mut().enumerate() {
                *value *= inverse[at / self.taps];
            }
        }
        patches
    }

    /// The weights for channels divided by `factors`, rounded.
    fn rounded(&self, factors: &[f32], rule: Rule) -> Rounded {
        let mut weights = self.weights.clone();
        for mut row in weights.rows_mut() {
            for (at, weight) in row.iter_mut().enumerate() {
                *weight *= factors[at / self.taps];
            }
        }
        let power = self.power.iter().zip(factors);
        let importance: Vec<f32> = power
            .map(|(power, factor)| power / (factor * factor))
            .collect();
        let weights = weights.as_slice().expect("rows one after the other");
        weights::round(weights, &importance, &self.pairs, self.taps, rule)
    }

    /// Error of the result on `patches`: its mean per output channel, and the power of what remains
    /// without that, as a share of the signal's.
    fn error(
        &self,
        patches: ArrayView2<f32>,
        quantisation: Quantisation,
        weights: &Rounded,
    ) -> (Vec<f32>, f64) {
        let steps = patches.mapv(|value| steps(quantisation, value));
        let whole = weights.values.iter().map(|&w| f32::from(w)).collect();
        let whole = Array2::from_shape_vec(self.weights.raw_dim(), whole);
        let found = steps.dot(&whole.expect("as many as weights").t());
        let (mut means, mut errors, mut signals) = (Vec::new(), 0.0, 0.0);
        for ((found, expected), scale) in found
            .axis_iter(Axis(1))
            .zip(self.expected.axis_iter(Axis(1)))
            .zip(&weights.scales)
        {
            let step = quantisation.scale * scale;
            let pairs = || found.iter().zip(&expected);
            let (mean, variance) = moments(pairs().map(|(sum, y)| f64::from(sum * step - y)));
            means.push(mean as f32);
            errors += variance;
            signals += moments(pairs().map(|(_, &y)| f64::from(y))).1;
        }
        let share = if signals > 0.0 { errors / signals } else { 0.0 };
        (means, share)
    }
}

/// Mean and variance.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    (
        mean,
        values.map(|v| (v - mean).powi(2)).sum::<f64>() / count,
    )
}

/// How many steps from zero the 8-bit form of `value` is.
fn steps(quantisation: Quantisation, value: f32) -> f32 {
    const ULP_IS_ONE: f32 = 12_582_912.0;
    let zero = f32::from(quantisation.zero);
    let nearest = (value * (1.0 / quantisation.scale) + ULP_IS_ONE) - ULP_IS_ONE;
    (nearest + zero).clamp(0.0, 255.0) - zero
}

/// One way to equalise a site.
struct Trial<'a> {
    products: &'a [Product<'a>],
    share: Option<f32>,
    factors: Vec<f32>,
    histogram: Histogram,
    weights: Vec<Rounded>,
    /// Sum over the convolutions of their relative errors, with the range of least squares.
    error: f64,
}

impl Trial<'_> {
    fn new<'a>(
        products: &'a [Product<'a>],
        movable: &[bool],
        share: Option<f32>,
        preset: Preset,
    ) -> Trial<'a> {
        let factors = match share {
            Some(share) => factors(products, movable, share),
            None => vec![1.0; movable.len()],
        };
        let patches: Vec<_> = products.iter().map(|p| p.divided(&factors)).collect();
        let histogram = Histogram::of(patches.iter().flatten());
        let quantisation = range::least_squares(&histogram, preset);
        let weights: Vec<_> = products
            .iter()
            .map(|product| product.rounded(&factors, Rule::Pairs))
            .collect();
        let errors =
            products
                .iter()
                .zip(&patches)
                .zip(&weights)
                .map(|((product, patches), weights)| {
                    product.error(patches.view(), quantisation, weights).1
                });
        Trial {
            error: errors.sum(),
            products,
            share,
            factors,
            histogram,
            weights,
        }
    }

    /// Chooses the range, and describes the convolutions.
    fn finish(self, network: &Network, site: &Site, preset: Preset) -> Fitted {
        let patches: Vec<_> = self
            .products
            .iter()
            .map(|product| product.divided(&self.factors))
            .collect();
        let extremes = site.extremes.iter().zip(&self.factors);
        let extremes = extremes.fold((0.0_f64, 0.0_f64), |(low, high), (channel, &factor)| {
            let factor = f64::from(factor);
            let (from, to) = (f64::from(channel.0), f64::from(channel.1));
            (low.min(from / factor), high.max(to / factor))
        });
        let candidates = range::candidates(&self.histogram, extremes, preset);
        let errors: Vec<Vec<(Vec<f32>, f64)>> = candidates
            .iter()
            .map(|&(_, quantisation)| {
                let parts = self.products.iter().zip(&patches).zip(&self.weights);
                parts
                    .map(|((product, patches), weights)| {
                        product.error(patches.view(), quantisation, weights)
                    })
                    .collect()
            })
            .collect();
        let total = |candidate: usize| {
            errors[candidate]
                .iter()
                .map(|(_, share)| share)
                .sum::<f64>()
        };
        let best = (0..candidates.len()).min_by(|&a, &b| total(a).total_cmp(&total(b)));
        let best = best.expect("every method has a candidate");
        let (method, quantisation) = candidates[best];
        let products = self.products.iter().enumerate();
        let layers = products
            .zip(self.weights)
            .map(|((which, product), weights)| {
                let node = network.node(product.reader.node);
                let free = product.rounded(&self.factors, Rule::Free);
                let tried = candidates.iter().zip(&errors);
                let tried =
                    tried.map(|(&(method, q), errors)| (method, q, decibels(errors[which].1)));
                let (means, share) = &errors[best][which];
                Layer {
                    node: product.reader.node,
                    name: node.name.clone(),
                    channels: [product.power.len(), node.channels],
                    kernel: (product.taps as f64).cbrt().round() as usize,
                    quantisation,
                    method,
                    tried: tried.collect(),
                    equalisation: self.share,
                    weight_sqnr: decibels(weights.relative_error),
                    free_weight_sqnr: decibels(free.relative_error),
                    sqnr: decibels(*share),
                    bias_correction: means.iter().map(|mean| -mean).collect(),
                    sensitivity: None,
                    reverted: false,
                    weights,
                }
            });
        Fitted {
            node: site.node,
            quantisation,
            layers: layers.collect(),
            factors: self.factors,
        }
    }
}

/// Signal to error in dB, of error to signal.
fn decibels(share: f64) -> f64 {
    -10.0 * share.log10()
}

/// Factors that even out the ranges of the movable channels (`share` 1) or leave part of their
/// differences to the weights; their geometric mean is 1.
fn factors(products: &[Product], movable: &[bool], share: f32) -> Vec<f32> {
    let largest = |ranges: &dyn Fn(&Product) -> Vec<f32>| {
        let mut largest = vec![0.0_f32; movable.len()];
        for product in products {
            for (largest, range) in largest.iter_mut().zip(ranges(product)) {
                *largest = largest.max(range);
            }
        }
        largest
    };
    let (activations, weights) = (
        largest(&|product| product.ranges()),
        largest(&|product| product.weight_ranges()),
    );
    let floor = |ranges: &[f32]| ranges.iter().copied().fold(0.0, f32::max) / MAX_SPREAD;
    let (least_activation, least_weight) = (floor(&activations), floor(&weights));
    let logarithm = |channel: usize| {
        let activation = activations[channel]
            .max(least_activation)
            .max(f32::MIN_POSITIVE);
        let weight = weights[channel].max(least_weight).max(f32::MIN_POSITIVE);
        share * activation.ln() - (1.0 - share) * weight.ln()
    };
    let moved = (0..movable.len()).filter(|&channel| movable[channel]);
    let mean = moved.clone().map(logarithm).sum::<f32>() / moved.count().max(1) as f32;
    let factor = |channel: usize| {
        if movable[channel] {
            (logarithm(channel) - mean).exp()
        } else {
            1.0
        }
    };
    (0..movable.len()).map(factor).collect()
}
