//! From values to positions in a chart.

/// A linear scale with round marks.
pub(super) struct Scale {
    first: f64,
    last: f64,
    from: f64,
    to: f64,
    step: f64,
}

impl Scale {
    /// Puts the range of `values`, widened to round numbers, between the positions `from` and `to`.
    /// Values that are not finite do not count; without any the scale runs from 0 to 1.
    pub fn new(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Scale {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let range = finite.fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| {
                (low.min(value), high.max(value))
            }))
        });
        let (mut low, mut high) = range.unwrap_or((0.0, 1.0));
        if low == high {
            let half = if low == 0.0 { 0.5 } else { low.abs() * 0.05 };
            (low, high) = (low - half, high + half);
        }
        const MARKS: f64 = 5.0;
        let rough = (high - low) / MARKS;
        let power = 10_f64.powf(rough.log10().floor());
        let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
        let factor = factors.into_iter().find(|factor| factor * power >= rough);
        let step = factor.unwrap_or(10.0) * power;
        Scale {
            first: (low / step).floor() * step,
            last: (high / step).ceil() * step,
            from,
            to,
            step,
        }
    }

    /// Position of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (value - self.first) / (self.last - self.first) * (self.to - self.from)
    }

    /// Round values with their texts.
    pub fn marks(&self) -> Vec<(f64, String)> {
        let count = ((self.last - self.first) / self.step).round() as usize;
        // Two and a half times a power of ten needs one decimal more.
        let decimals = (0..6).find(|&decimals| {
            let scaled = self.step * 10_f64.powi(decimals);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        });
        let decimals = decimals.unwrap_or(6) as usize;
        let mark = |index| self.first + index as f64 * self.step;
        (0..=count)
            .map(|index| {
                // Not -0.
                let value = if mark(index).abs() < self.step / 2.0 {
                    0.0
                } else {
                    mark(index)
                };
                (value, format!("{value:.decimals$}"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn marks_are_round_and_hold_all_values() {
        let scale = Scale::new([0.9123, 0.97, f64::NAN], 100.0, 0.0);
        let texts: Vec<String> = scale.marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0.90", "0.92", "0.94", "0.96", "0.98"]);
        assert!((scale.at(0.9) - 100.0).abs() < 1e-9 && scale.at(0.98).abs() < 1e-9);
        let scale = Scale::new([-3.0, 5.0], 0.0, 1.0);
        let values: Vec<f64> = scale.marks().into_iter().map(|(value, _)| value).collect();
        assert_eq!(values, [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0]);
        assert_eq!(Scale::new([], 0.0, 1.0).marks().len(), 6);
        assert!((Scale::new([7.0], 0.0, 8.0).at(7.0) - 4.0).abs() < 1e-9);
    }
}
