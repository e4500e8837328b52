//! An exponential function with the same bits everywhere: the system's differ between C libraries, and
//! within one between processors.

use std::f32::consts::LOG2_E;

/// ln 2 in two parts, the first of so few bits that its product with a small integer is exact (Cody and
/// Waite 1980).
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];

/// Taylor's coefficients, 1 / n!.
const TERMS: [f32; 8] = {
    let mut terms = [1.0; 8];
    let mut n = 1;
    while n < terms.len() {
        terms[n] = terms[n - 1] / n as f32;
        n += 1;
    }
    terms
};

/// Adding it rounds to an integer, which is left in the low bits.
const ROUND: f32 = (3_u32 << 22) as f32;

/// e to the power of `x`, with a relative error below `f32::EPSILON`; 0 below -104, infinite above 89.
///
/// Free of branches and calls, so that loops over it become vector code.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = x.clamp(-104.0, 89.0);
    let rounded = x * LOG2_E + ROUND;
    let power = rounded - ROUND;
    // |rest| <= ln 2 / 2.
    let rest = (x - power * LN_2[0]) - power * LN_2[1];
    let mut curve = 0.0;
    for term in TERMS[2..].iter().rev() {
        curve = curve * rest + term;
    }
    let value = curve * (rest * rest) + rest + 1.0;
    // Two factors, since 2 to the power of 128 or -150 is no normal number.
    let power = rounded
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .cast_signed();
    let half = power >> 1;
    value * power_of_two(half) * power_of_two(power - half)
}

/// 2 to the power of `n`, -126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(n.wrapping_add(127).cast_unsigned() << 23)
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn agrees_with_the_system_in_double_precision() {
        for step in -120_000..=88_700 {
            let x = step as f32 * 0.001;
            let expected = f64::from(x).exp();
            let bound = expected * f64::from(f32::EPSILON) + f64::from(f32::from_bits(1)) / 2.0;
            assert!((f64::from(exp(x)) - expected).abs() <= bound, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }
}
