//! Percentiles in linear time.

/// The `percent`-th percentile, 0 to 100, of `values`, which it reorders.
///
/// Interpolates linearly between neighbouring order statistics (numpy's default). `None` where
/// there are no values.
pub(crate) fn percentile<T: Copy + Into<f64>>(values: &mut [T], percent: f64) -> Option<f64> {
    let position = percent / 100.0 * values.len().checked_sub(1)? as f64;
    let below = (position as usize).min(values.len() - 1);
    let order = |a: &T, b: &T| Into::<f64>::into(*a).total_cmp(&(*b).into());
    let (_, low, above) = values.select_nth_unstable_by(below, order);
    let low: f64 = (*low).into();
    let high = above
        .iter()
        .map(|&v| v.into())
        .min_by(f64::total_cmp)
        .unwrap_or(low);
    let t = position - below as f64;
    let step = high - low;
    Some(if t < 0.5 {
        low + step * t
    } else {
        high - step * (1.0 - t)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_between_order_statistics() {
        let mut values = [7.0_f64, 1.0, 4.0, 10.0];
        assert_eq!(percentile(&mut values, 0.0), Some(1.0));
        assert_eq!(percentile(&mut values, 50.0), Some(5.5));
        assert_eq!(percentile(&mut values, 25.0), Some(3.25));
        assert_eq!(percentile(&mut values, 100.0), Some(10.0));
        assert_eq!(percentile(&mut [3.0_f32], 95.0), Some(3.0));
        assert_eq!(percentile::<f32>(&mut [], 50.0), None);
    }
}
