//! Which real numbers 256 steps stand for.

use endocast_weights::Quantisation;

/// Which zero points the inputs of convolutions may have. The names are OpenVINO's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Any zero point: the steps cover exactly the range that is wanted.
    #[default]
    Mixed,
    /// Symmetric: 0, for values from 0 up, or 128, for values of both signs.
    Performance,
}

impl Preset {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Preset::Mixed => "mixed",
            Preset::Performance => "performance",
        }
    }
}

/// How a range was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// From the smallest to the largest value of any voxel.
    MinMax,
    /// Without the outermost 1 in 1000 values on either side.
    Percentile999,
    /// Without the outermost 1 in 10000 values on either side.
    Percentile9999,
    /// Least mean squared error.
    Mse,
    /// Least Kullback-Leibler divergence of the histogram of the rounded values from that of the values.
    Kl,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 5] = [
        Method::MinMax,
        Method::Percentile999,
        Method::Percentile9999,
        Method::Mse,
        Method::Kl,
    ];

    /// The words for it.
    pub fn word(&self) -> &'static str {
        match self {
            Method::MinMax => "min-max",
            Method::Percentile999 => "percentile 99.9",
            Method::Percentile9999 => "percentile 99.99",
            Method::Mse => "mse",
            Method::Kl => "kl",
        }
    }
}

/// Bins of a histogram.
const BINS: usize = 4096;

/// Each side of a range is tried at these powers of [`SHRINK`] of its length.
const TRIALS: i32 = 48;
const SHRINK: f64 = 0.94;

/// How often values occur.
pub(super) struct Histogram {
    low: f64,
    width: f64,
    counts: Vec<f64>,
}

impl Histogram {
    /// The histogram of `values`, which contains 0.
    pub fn of<'a>(values: impl Iterator<Item = &'a f32> + Clone) -> Histogram {
        let extremes = values
            .clone()
            .fold((0.0_f32, 0.0_f32), |(low, high), &value| {
                (low.min(value), high.max(value))
            });
        let (low, high) = (f64::from(extremes.0), f64::from(extremes.1));
        let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
        let mut counts = vec![0.0; BINS];
        let (offset, per_bin) = (low as f32, (1.0 / width) as f32);
        for &value in values {
            counts[(((value - offset) * per_bin) as usize).min(BINS - 1)] += 1.0;
        }
        Histogram { low, width, counts }
    }

    fn high(&self) -> f64 {
        self.low + self.width * BINS as f64
    }

    fn centre(&self, bin: usize) -> f64 {
        self.low + self.width * (bin as f64 + 0.5)
    }

    /// The range that leaves out a share of `1 - quantile` on either side.
    fn percentiles(&self, quantile: f64) -> (f64, f64) {
        let left_out = (1.0 - quantile) * self.counts.iter().sum::<f64>();
        let beyond = |counts: &mut dyn Iterator<Item = &f64>| {
            let mut sum = 0.0;
            counts
                .take_while(|&&count| {
                    sum += count;
                    sum <= left_out
                })
                .count() as f64
        };
        let low = self.low + self.width * beyond(&mut self.counts.iter());
        let high = self.high() - self.width * beyond(&mut self.counts.iter().rev());
        (low.min(0.0), high.max(0.0))
    }

    /// Mean squared error after rounding.
    fn squared_error(&self, quantisation: Quantisation) -> f64 {
        let bins = self.counts.iter().enumerate();
        let errors = bins.filter(|(_, count)| **count > 0.0).map(|(bin, count)| {
            let value = self.centre(bin);
            let error = rounded(quantisation, value) - value;
            // The values of a bin lie anywhere in it.
            count * (error * error + self.width * self.width / 12.0)
        });
        errors.sum::<f64>() / self.counts.iter().sum::<f64>()
    }

    /// Divergence of the distribution after rounding, spread over the bins that share a step, from the
    /// distribution with its ends gathered in the outermost bins of the range.
    fn divergence(&self, quantisation: Quantisation) -> f64 {
        let step_of = |bin: usize| usize::from(quantisation.quantise(self.centre(bin) as f32));
        let range = |step: usize| {
            f64::from(quantisation.scale) * (step as f64 - f64::from(quantisation.zero))
        };
        let (low, high) = (range(0), range(255));
        let mut gathered = self.counts.clone();
        let inside = |bin: usize| (low..=high).contains(&self.centre(bin));
        let (first, last) = match (
            (0..BINS).find(|&b| inside(b)),
            (0..BINS).rfind(|&b| inside(b)),
        ) {
            (Some(first), Some(last)) => (first, last),
            _ => return f64::INFINITY,
        };
        gathered[first] += self.counts[..first].iter().sum::<f64>();
        gathered[last] += self.counts[last + 1..].iter().sum::<f64>();
        let mut sums = [(0.0, 0_u32); 256];
        for bin in first..=last {
            if self.counts[bin] > 0.0 {
                let (sum, bins) = &mut sums[step_of(bin)];
                *sum += self.counts[bin];
                *bins += 1;
            }
        }
        let (total, kept) = (
            self.counts.iter().sum::<f64>(),
            self.counts[first..=last].iter().sum::<f64>(),
        );
        (first..=last)
            .filter(|&bin| gathered[bin] > 0.0)
            .map(|bin| {
                let (sum, bins) = sums[step_of(bin)];
                let p = gathered[bin] / total;
                // A bin that holds nothing but what lay beyond it has no counterpart.
                let q = if self.counts[bin] > 0.0 {
                    sum / f64::from(bins) / kept
                } else {
                    f64::EPSILON
                };
                p * (p / q).ln()
            })
            .sum()
    }

    /// The range, within the extremes, whose quantisation has the least `loss`.
    fn search(&self, preset: Preset, loss: impl Fn(Quantisation) -> f64) -> (f64, f64) {
        let mut best = (self.low, self.high());
        let mut least = f64::INFINITY;
        let trials = || (0..TRIALS).map(|power| SHRINK.powi(power));
        let symmetric = preset == Preset::Performance;
        for _ in 0..2 {
            for factor in trials() {
                let low = if symmetric { self.low * factor } else { best.0 };
                attempt(
                    (low, self.high() * factor),
                    &mut best,
                    &mut least,
                    preset,
                    &loss,
                );
            }
            for factor in trials().filter(|_| !symmetric) {
                let range = (self.low * factor, best.1);
                attempt(range, &mut best, &mut least, preset, &loss);
            }
        }
        best
    }
}

fn attempt(
    range: (f64, f64),
    best: &mut (f64, f64),
    least: &mut f64,
    preset: Preset,
    loss: impl Fn(Quantisation) -> f64,
) {
    let found = quantisations(range, preset)
        .map(loss)
        .fold(f64::INFINITY, f64::min);
    if found < *least {
        (*best, *least) = (range, found);
    }
}

fn rounded(quantisation: Quantisation, value: f64) -> f64 {
    let steps = f64::from(quantisation.quantise(value as f32)) - f64::from(quantisation.zero);
    steps * f64::from(quantisation.scale)
}

/// The quantisations that cover `low..=high`, which contains 0, as `preset` allows.
fn quantisations((low, high): (f64, f64), preset: Preset) -> impl Iterator<Item = Quantisation> {
    let with = |step: f64, zero: f64| Quantisation {
        scale: if step > 1e-30 {
            step.min(1e30) as f32
        } else {
            1.0
        },
        zero: zero as u8,
    };
    let step = (high - low) / 255.0;
    let found = match preset {
        Preset::Mixed => {
            let zero = if step > 0.0 {
                (-low / step).round_ties_even()
            } else {
                0.0
            };
            [Some(with(step, zero)), None]
        }
        Preset::Performance => [
            (high > 0.0).then(|| with(high / 255.0, 0.0)),
            (low < 0.0).then(|| with((high / 127.0).max(-low / 128.0), 128.0)),
        ],
    };
    let nothing = found.iter().all(Option::is_none);
    let zeros = nothing.then(|| with(1.0, 0.0));
    found.into_iter().flatten().chain(zeros)
}

/// What each method makes of values with this `histogram` and these `extremes`; with the symmetric
/// preset a method may give two.
pub(super) fn candidates(
    histogram: &Histogram,
    extremes: (f64, f64),
    preset: Preset,
) -> Vec<(Method, Quantisation)> {
    let range = |method| match method {
        Method::MinMax => extremes,
        Method::Percentile999 => histogram.percentiles(0.999),
        Method::Percentile9999 => histogram.percentiles(0.9999),
        Method::Mse => histogram.search(preset, |q| histogram.squared_error(q)),
        Method::Kl => histogram.search(preset, |q| histogram.divergence(q)),
    };
    let candidates = Method::ALL
        .into_iter()
        .flat_map(|method| quantisations(range(method), preset).map(move |q| (method, q)));
    candidates.collect()
}

/// The quantisation of least mean squared error.
pub(super) fn least_squares(histogram: &Histogram, preset: Preset) -> Quantisation {
    let range = histogram.search(preset, |q| histogram.squared_error(q));
    let loss = |q: &Quantisation| histogram.squared_error(*q);
    let found = quantisations(range, preset).min_by(|a, b| loss(a).total_cmp(&loss(b)));
    found.expect("every range has a quantisation")
}
