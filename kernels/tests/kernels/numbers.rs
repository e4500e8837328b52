//! The values that kernels are fed.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What the values of a trial are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Anything between -1 and 1.
    Random,
    /// As large as leaves every sum finite.
    Max,
    /// As large, signs alternating.
    Alternating,
    /// Below the normal range; factors are random.
    Denormal,
    /// Zeros; factors are random.
    Zero,
    /// Small integers, factors multiples of 96: a convolution rounds nowhere, transformed or not,
    /// whatever its order.
    Integer,
}

impl Fill {
    /// Every fill.
    pub const ALL: [Fill; 6] = [
        Fill::Random,
        Fill::Max,
        Fill::Alternating,
        Fill::Denormal,
        Fill::Zero,
        Fill::Integer,
    ];
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fill::Random => "random",
            Fill::Max => "max",
            Fill::Alternating => "alternating",
            Fill::Denormal => "denormal",
            Fill::Zero => "zero",
            Fill::Integer => "integer",
        })
    }
}

/// Its cube, summed over every channel and tap, is still finite.
const LARGE: f32 = 1e9;

/// A stream of values that depends on nothing but its seed.
pub struct Numbers {
    fill: Fill,
    state: u64,
}

impl Numbers {
    /// The stream of one case of the trials: `KERNELS_SEED` (0 unless set), `case` and `fill` decide.
    pub fn new(fill: Fill, case: &impl fmt::Display) -> Numbers {
        let mut hasher = DefaultHasher::new();
        (super::seed(), case.to_string(), fill.to_string()).hash(&mut hasher);
        let state = hasher.finish();
        Numbers { fill, state }
    }

    /// The next 24 random bits (Steele, Lea and Flood 2014, SplitMix).
    pub fn bits(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u32 >> 8
    }

    fn random(&mut self) -> f32 {
        self.bits() as f32 / (1 << 23) as f32 - 1.0
    }

    /// The next value, the `index`th of its slice.
    fn value(&mut self, index: usize) -> f32 {
        match self.fill {
            Fill::Random => self.random(),
            Fill::Max => LARGE,
            Fill::Alternating => LARGE * [1.0, -1.0][index % 2],
            Fill::Denormal => {
                let bits = self.bits();
                f32::from_bits((bits & 1) << 31 | bits >> 1)
            }
            Fill::Zero => 0.0,
            Fill::Integer => (self.random() * 4.0).trunc(),
        }
    }

    /// Values to be multiplied and added.
    pub fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|index| self.value(index)).collect()
    }

    /// Values to multiply others with.
    pub fn factors(&mut self, len: usize) -> Vec<f32> {
        match self.fill {
            Fill::Denormal | Fill::Zero => (0..len).map(|_| self.random()).collect(),
            Fill::Integer => (0..len)
                .map(|_| 96.0 * (self.random() * 3.0).trunc())
                .collect(),
            Fill::Random | Fill::Max | Fill::Alternating => self.values(len),
        }
    }

    /// A plane of `blocks` blocks of `lanes` values per voxel, zeros in its halo.
    pub fn plane(&mut self, shape: super::PlaneShape, blocks: usize, lanes: usize) -> Vec<f32> {
        let mut plane = vec![0.0; blocks * shape.area() * lanes];
        for block in 0..blocks {
            for row in 0..shape.height {
                let first = (block * shape.area() + shape.voxel(row, 0)) * lanes;
                let row = self.values(shape.width * lanes);
                plane[first..][..row.len()].copy_from_slice(&row);
            }
        }
        plane
    }
}
