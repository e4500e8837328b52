//! The Wilcoxon signed-rank test for paired values.

/// Most pairs for which the distribution is enumerated.
const EXACT_PAIRS: usize = 25;

/// Outcome of a two-sided test that paired differences are symmetric about zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// Pairs that differ; the others are left out.
    pub pairs: usize,
    /// The smaller of the sums of ranks of positive and of negative differences; equal sizes share the mean
    /// of their ranks.
    pub statistic: f64,
    /// Probability of a statistic at least as extreme.
    pub p: f64,
    /// Whether `p` comes from all assignments of signs (up to 25 pairs, ties included) or from the normal
    /// approximation, its variance corrected for ties and without continuity correction.
    pub exact: bool,
}

/// Tests the differences of pairs; `None` where no pair differs or a difference is not finite.
pub fn wilcoxon(differences: &[f64]) -> Option<Wilcoxon> {
    if !differences.iter().all(|d| d.is_finite()) {
        return None;
    }
    let mut sorted: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let pairs = sorted.len();
    if pairs == 0 {
        return None;
    }
    // Twice the ranks, so that means of ranks are whole numbers.
    let mut ranks = Vec::with_capacity(pairs);
    let mut ties = 0.0;
    for group in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        let (first, size) = (ranks.len() + 1, group.len());
        ranks.extend(std::iter::repeat_n(2 * first + size - 1, size));
        ties += (size * size * size - size) as f64;
    }
    let signed = sorted.iter().zip(&ranks);
    let positive: usize = signed
        .filter(|(d, _)| **d > 0.0)
        .map(|(_, rank)| rank)
        .sum();
    let total = pairs * (pairs + 1);
    let smaller = positive.min(total - positive);
    let exact = pairs <= EXACT_PAIRS;
    let p = if exact {
        (2.0 * share_up_to(&ranks, smaller)).min(1.0)
    } else {
        let n = pairs as f64;
        let mean = n * (n + 1.0) / 4.0;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
        two_sided((smaller as f64 / 2.0 - mean) / variance.sqrt())
    };
    Some(Wilcoxon {
        pairs,
        statistic: smaller as f64 / 2.0,
        p,
        exact,
    })
}

/// Share of all assignments of signs to `ranks` whose positive ranks sum to at most `limit`.
fn share_up_to(ranks: &[usize], limit: usize) -> f64 {
    let mut shares = vec![0.0; ranks.iter().sum::<usize>() + 1];
    shares[0] = 1.0;
    for &rank in ranks {
        for sum in (0..shares.len()).rev() {
            let with = sum.checked_sub(rank).map_or(0.0, |rest| shares[rest]);
            shares[sum] = (shares[sum] + with) / 2.0;
        }
    }
    shares[..=limit].iter().sum()
}

/// Probability that a standard normal variable is farther from 0 than `z`: the complementary error function
/// of `|z| / sqrt(2)`, by its power series near 0 and its continued fraction further out (Abramowitz and
/// Stegun, 7.1.6 and 7.1.14).
fn two_sided(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let root_pi = std::f64::consts::PI.sqrt();
    if x < 2.5 {
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= 2.0 * x * x / (2 * n + 1) as f64;
            sum += term;
        }
        1.0 - 2.0 / root_pi * (-x * x).exp() * sum
    } else {
        let fraction = (1..60).rev().fold(x, |rest, n| x + n as f64 / 2.0 / rest);
        (-x * x).exp() / root_pi / fraction
    }
}
