//! 8-bit weights: one scale per output channel, and pairs of neighbours whose products never overflow.

use endocast_weights::pack::MAX_PAIR_SUM;
use rayon::prelude::*;

/// What 8-bit weights must obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// -127 to 127, and [`MAX_PAIR_SUM`] for neighbours.
    Pairs,
    /// -127 to 127 only. Not storable; to measure what the rule costs.
    Free,
}

/// Weights `[out, in, taps]` as whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rounded {
    pub values: Vec<i8>,
    /// Real value of 1, per output channel.
    pub scales: Vec<f32>,
    /// Squared error over squared weights, both weighted by importance.
    pub relative_error: f64,
}

/// Scales are tried from the one that clips nothing down, by this factor, so many times.
const SHRINK: f64 = 0.97;
const TRIALS: i32 = 28;

/// The pairs of input channels that lie side by side, for inputs that are `sources` one after the other.
pub(super) fn pairs(sources: &[usize]) -> Vec<(usize, Option<usize>)> {
    let mut pairs = Vec::new();
    let mut start = 0;
    for &channels in sources {
        let firsts = (start..start + channels).step_by(2);
        pairs.extend(firsts.map(|at| (at, (at + 1 < start + channels).then_some(at + 1))));
        start += channels;
    }
    pairs
}

/// Rounds `weights`, `[out, in, taps]`, with the scale per output channel that has the least squared
/// error, each input channel's counted `importance` times. `pairs` has every input channel once.
pub(super) fn round(
    weights: &[f32],
    importance: &[f32],
    pairs: &[(usize, Option<usize>)],
    taps: usize,
    rule: Rule,
) -> Rounded {
    let row = Row {
        importance,
        pairs,
        taps,
        rule,
    };
    let rows: Vec<_> = weights
        .par_chunks_exact(importance.len() * taps)
        .map(|weights| row.round(weights))
        .collect();
    let error: f64 = rows.iter().map(|(_, _, error)| error).sum();
    let power = |(at, weight): (usize, &f32)| {
        f64::from(importance[at / taps % importance.len()] * weight * weight)
    };
    let power: f64 = weights.iter().enumerate().map(power).sum();
    Rounded {
        scales: rows.iter().map(|(_, scale, _)| *scale).collect(),
        values: rows.into_iter().flat_map(|(values, ..)| values).collect(),
        relative_error: if power > 0.0 { error / power } else { 0.0 },
    }
}

/// What is the same for all output channels.
struct Row<'a> {
    importance: &'a [f32],
    pairs: &'a [(usize, Option<usize>)],
    taps: usize,
    rule: Rule,
}

impl Row<'_> {
    /// Whole numbers, scale and squared error of the `weights`, `[in, taps]`, of an output channel.
    fn round(&self, weights: &[f32]) -> (Vec<i8>, f32, f64) {
        let widest = self.scale_without_clipping(weights);
        if widest == 0.0 {
            return (vec![0; weights.len()], 1.0, 0.0);
        }
        let scales = (0..TRIALS).map(|trial| (f64::from(widest) * SHRINK.powi(trial)) as f32);
        let error = |scale: f32| {
            let mut error = 0.0;
            self.each(weights, scale, |_, _, squared| error += squared);
            error
        };
        let errors = scales.map(|scale| (scale, error(scale)));
        let (scale, error) = errors
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .unwrap_or((widest, 0.0));
        let mut values = vec![0; weights.len()];
        self.each(weights, scale, |at, value, _| values[at] = value as i8);
        (values, scale, error)
    }

    fn scale_without_clipping(&self, weights: &[f32]) -> f32 {
        let largest = weights.iter().fold(0.0_f32, |max, w| max.max(w.abs()));
        let mut scale = largest / MAX_WEIGHT;
        if self.rule == Rule::Pairs {
            for &(a, b) in self.pairs {
                for tap in 0..self.taps {
                    let [a, b] =
                        [Some(a), b].map(|at| at.map_or(0.0, |at| weights[at * self.taps + tap]));
                    let sum = (a.max(0.0) + b.max(0.0)).max(-a.min(0.0) - b.min(0.0));
                    scale = scale.max(sum / MAX_SUM);
                }
            }
        }
        scale
    }

    /// Calls `visit(position, whole number, squared error)` for every weight.
    fn each(&self, weights: &[f32], scale: f32, mut visit: impl FnMut(usize, f32, f64)) {
        let per_step = 1.0 / scale;
        for &(a, b) in self.pairs {
            for tap in 0..self.taps {
                let first = a * self.taps + tap;
                let x = weights[first] * per_step;
                let mut qx = nearest(x).clamp(-MAX_WEIGHT, MAX_WEIGHT);
                if let Some(b) = b {
                    let second = b * self.taps + tap;
                    let y = weights[second] * per_step;
                    let mut qy = nearest(y).clamp(-MAX_WEIGHT, MAX_WEIGHT);
                    let together = qx * qy > 0.0 && (qx + qy).abs() > MAX_SUM;
                    if together && self.rule == Rule::Pairs {
                        (qx, qy) = shorten(x, y, self.importance[a], self.importance[b]);
                    }
                    let error = (qy - y) * scale;
                    visit(second, qy, f64::from(error * error * self.importance[b]));
                }
                let error = (qx - x) * scale;
                visit(first, qx, f64::from(error * error * self.importance[a]));
            }
        }
    }
}

const MAX_WEIGHT: f32 = 127.0;
const MAX_SUM: f32 = MAX_PAIR_SUM as f32;

/// The pair of whole numbers of the sign of `x` and `y` with the largest sum allowed that is nearest to
/// them, distances along either counted by its importance.
fn shorten(x: f32, y: f32, importance_x: f32, importance_y: f32) -> (f32, f32) {
    let excess = x.abs() + y.abs() - MAX_SUM;
    let total = importance_x + importance_y;
    let share = if total > 0.0 {
        importance_y / total
    } else {
        0.5
    };
    let first = nearest(x.abs() - excess * share).clamp(1.0, MAX_WEIGHT);
    (first.copysign(x), (MAX_SUM - first).copysign(y))
}

/// The nearest whole number, halves to even, of a number below 2^22.
fn nearest(x: f32) -> f32 {
    const ULP_IS_ONE: f32 = 12_582_912.0;
    (x + ULP_IS_ONE) - ULP_IS_ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        let uniform = |at| endocast_tools::synthetic::uniform("weights", at) as f32;
        // Cubed, so that a few weights are much larger than the others.
        (0..count).map(|at| uniform(at).powi(3)).collect()
    }

    #[test]
    fn pairs_do_not_cross_sources() {
        let expected = [(0, Some(1)), (2, None), (3, Some(4))];
        assert_eq!(pairs(&[3, 2]), expected);
    }

    #[test]
    fn pairs_obey_the_rule_and_cost_less_than_a_bit() {
        let (outputs, inputs, taps) = (8, 32, 27);
        let weights = noise(outputs * inputs * taps);
        let importance = vec![1.0; inputs];
        let pairs = pairs(&[inputs]);
        let [paired, free] =
            [Rule::Pairs, Rule::Free].map(|rule| round(&weights, &importance, &pairs, taps, rule));
        for row in paired.values.chunks(inputs * taps) {
            for channel in (0..inputs).step_by(2) {
                for tap in 0..taps {
                    let [a, b] = [channel, channel + 1].map(|c| i16::from(row[c * taps + tap]));
                    assert!(a.max(0) + b.max(0) <= MAX_PAIR_SUM, "{a} {b}");
                    assert!(a.min(0) + b.min(0) >= -MAX_PAIR_SUM, "{a} {b}");
                    assert!(a > i16::from(i8::MIN) && b > i16::from(i8::MIN));
                }
            }
        }
        let decibels = |rounded: &Rounded| -10.0 * rounded.relative_error.log10();
        assert!(decibels(&free) > 40.0);
        assert!(decibels(&free) >= decibels(&paired));
        // One bit less, the usual way around saturation, would cost 6 dB.
        assert!(decibels(&free) - decibels(&paired) < 5.5);
    }

    #[test]
    fn the_error_is_that_of_the_numbers_returned() {
        let weights = noise(2 * 3 * 27);
        let importance = [1.0, 4.0, 0.25];
        let found = round(&weights, &importance, &pairs(&[3]), 27, Rule::Pairs);
        let (mut error, mut power) = (0.0, 0.0);
        for (at, weight) in weights.iter().enumerate() {
            let value = f32::from(found.values[at]) * found.scales[at / 81];
            let importance = f64::from(importance[at / 27 % 3]);
            error += importance * f64::from(value - weight).powi(2);
            power += importance * f64::from(*weight).powi(2);
        }
        assert!((error / power / found.relative_error - 1.0).abs() < 1e-3);
    }

    #[test]
    fn zeros_stay_zeros() {
        let found = round(&[0.0; 54], &[1.0; 2], &pairs(&[2]), 27, Rule::Pairs);
        assert_eq!((found.values, found.scales), (vec![0; 54], vec![1.0]));
    }
}
