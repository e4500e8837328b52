//! What a set of values is like.

use crate::pre::quantile::percentile;

/// Which end of a scale is the bad one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worst {
    /// As for Dice.
    Lowest,
    /// As for distances.
    Highest,
    /// As for errors with a sign.
    FarthestFromZero,
}

/// Mean, spread, middle and worst of the values that are defined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many values there are.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of a sample (n - 1); `None` of a single value.
    pub sd: Option<f64>,
    /// Median.
    pub median: f64,
    /// The worst value.
    pub worst: f64,
    /// Position of the worst among the values given.
    pub worst_at: usize,
}

impl Summary {
    /// Of `values`, of which some may be undefined; `None` if all are.
    pub fn new(values: &[Option<f64>], worst: Worst) -> Option<Summary> {
        let badness = |value: f64| match worst {
            Worst::Lowest => -value,
            Worst::Highest => value,
            Worst::FarthestFromZero => value.abs(),
        };
        let defined = values.iter().enumerate();
        let defined = defined.filter_map(|(index, value)| value.map(|value| (index, value)));
        // Of equally bad values the first counts.
        let (worst_at, worst) = defined
            .rev()
            .max_by(|a, b| badness(a.1).total_cmp(&badness(b.1)))?;
        let mut values: Vec<f64> = values.iter().copied().flatten().collect();
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Summary {
            count,
            mean,
            sd: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()),
            median: percentile(&mut values, 50.0)?,
            worst,
            worst_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_values_are_left_out() {
        let values = [None, Some(1.0), Some(4.0), None, Some(-5.0), Some(4.0)];
        let summary = |worst| Summary::new(&values, worst).unwrap();
        let highest = summary(Worst::Highest);
        assert_eq!((highest.count, highest.mean, highest.median), (4, 1.0, 2.5));
        assert!((highest.sd.unwrap() - 18.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!((highest.worst, highest.worst_at), (4.0, 2));
        assert_eq!(summary(Worst::Lowest).worst_at, 4);
        assert_eq!(summary(Worst::FarthestFromZero).worst, -5.0);
        assert_eq!(Summary::new(&[Some(2.0)], Worst::Lowest).unwrap().sd, None);
        assert_eq!(Summary::new(&[None], Worst::Lowest), None);
    }
}
