//! IEEE 754 half precision, as bit patterns.

/// The value of a half-precision bit pattern; exact.
pub fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // Exponents are biased by 15 there and by 127 here; the product also normalises subnormals.
    let finite = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let special = if bits & 0x7c00 == 0x7c00 {
        0x7f80_0000
    } else {
        0
    };
    f32::from_bits(sign | finite | special)
}

/// The nearest half-precision bit pattern, ties to even; too large a value becomes infinite.
pub fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    let rounded = if magnitude >= 0x3880_0000 {
        // At least 2^-14: drop 13 mantissa bits, rebias the exponent by 112.
        let odd = magnitude >> 13 & 1;
        ((magnitude.min(0x4780_0000) + 0xfff + odd) >> 13) - (112 << 10)
    } else {
        // Subnormal: adding 1/2 makes the unit in the last place 2^-24.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()
    };
    sign | rounded.min(0x7c00) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_round_trips() {
        for bits in 0..=u16::MAX {
            let value = from_f16(bits);
            if value.is_nan() {
                assert!(from_f16(to_f16(value)).is_nan());
            } else {
                assert_eq!(to_f16(value), bits, "{value}");
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_even() {
        assert_eq!(from_f16(0x3c00), 1.0);
        assert_eq!(from_f16(0xc000), -2.0);
        assert_eq!(from_f16(0x0001), 1.0 / (1 << 24) as f32);
        for low in 0..0x7bff_u16 {
            let (a, b) = (from_f16(low), from_f16(low + 1));
            let middle = (a + b) / 2.0;
            assert_eq!(to_f16(middle), low + (low & 1), "{middle}");
            assert_eq!(to_f16(f32::from_bits(middle.to_bits() - 1)), low);
            assert_eq!(to_f16(f32::from_bits(middle.to_bits() + 1)), low + 1);
        }
        assert_eq!(to_f16(65519.996), 0x7bff);
        assert_eq!(to_f16(65520.0), 0x7c00);
        assert_eq!(to_f16(f32::NEG_INFINITY), 0xfc00);
    }
}
