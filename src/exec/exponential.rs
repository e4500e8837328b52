//! An exponential function with the same bits everywhere: the system's differ between C libraries, and
//! within one between processors.

use std::f64::consts::{LN_2, LOG2_E};

/// Taylor's coefficients, 1 / n!.
const TERMS: [f64; 13] = {
    let mut terms = [1.0; 13];
    let mut n = 1;
    while n < terms.len() {
        terms[n] = terms[n - 1] / n as f64;
        n += 1;
    }
    terms
};

/// Adding it rounds to an integer, which is left in the low bits.
const ROUND: f64 = (3_u64 << 51) as f64;

/// e to the power of `x`, within half a unit in the last place and a little; 0 below -104, infinite above 89.
///
/// Free of branches and calls, so that loops over it become vector code.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = f64::from(x).clamp(-150.0, 150.0);
    let rounded = x * LOG2_E + ROUND;
    let rest = x - (rounded - ROUND) * LN_2;
    // |rest| <= ln 2 / 2.
    let series = TERMS.iter().rev().fold(0.0, |sum, term| sum * rest + term);
    let scale = f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52);
    (series * scale) as f32
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn agrees_with_the_system_in_double_precision() {
        for step in -12_000..=12_000 {
            let x = step as f32 * 0.01;
            let expected = f64::from(x).exp() as f32;
            let (low, high) = (expected.next_down(), expected.next_up());
            assert!((low..=high).contains(&exp(x)), "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }
}
