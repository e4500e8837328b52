//! Arguments of the operations on `u8` activations and `i8` weights.
//!
//! A `u8` tensor stands for the real numbers `(q - zero) / inverse_scale`, one [`Quantisation`] for
//! the whole tensor. Everything that ends in `u8` or starts from it in kernels with
//! [`Exactness::fused`](super::Exactness::fused) unset is the same on every processor, bit for bit.

use std::ops::Range;

use super::{
    ConvProblem, Epilogue, LANES, NextPlane, Plane, PlaneMut, PlaneShape, Source, check_sources,
};

/// Input channels whose products one 32-bit lane takes at a time, and channels of an interleaved
/// plane.
pub const GROUP: usize = 4;

/// Groups of one channel block.
pub const GROUPS: usize = LANES / GROUP;

/// Most taps times input blocks of a convolution; with more a sum may not fit 32 bits.
pub const MAX_TERMS: usize = 4096;

/// How real numbers become `u8`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantisation {
    /// Steps per unit.
    pub inverse_scale: f32,
    /// What zero becomes.
    pub zero: u8,
}

impl Quantisation {
    /// `clamp(round(value * inverse_scale) + zero, 0, 255)`, rounding to the nearest integer, halves
    /// to even; 0 for a NaN.
    ///
    /// The product is clamped before it is rounded, so that infinities saturate.
    pub fn apply(self, value: f32) -> u8 {
        let [low, high] = self.range();
        let steps = value * self.inverse_scale;
        let steps = if steps > low { steps } else { low };
        let steps = if steps < high { steps } else { high };
        (steps.round_ties_even() as i32 + i32::from(self.zero)) as u8
    }

    /// Least and greatest number of steps from zero.
    pub(crate) fn range(self) -> [f32; 2] {
        [0.0, 255.0].map(|end| end - f32::from(self.zero))
    }
}

/// Whether packed weights obey the pair rule: of every two neighbours along the input channels the
/// positive ones add up to at most 128, the magnitudes of the negative ones as well, and none is -128.
///
/// Then the products of a pair with any two `u8` add up to at most 255 * 128 = 32640 in magnitude,
/// which fits the saturating 16-bit sums of `pmaddubsw`. Packed weights that break the rule are read
/// safely, but the results of different kernels may differ.
pub fn pairs_fit(packed: &[i8]) -> bool {
    packed.chunks(2).all(|pair| {
        let sum = |sign: i32| -> i32 { pair.iter().map(|&w| (sign * i32::from(w)).max(0)).sum() };
        sum(1) <= 128 && sum(-1) <= 128 && pair.iter().all(|&w| w != i8::MIN)
    })
}

impl ConvProblem {
    /// Groups of input channels, the padding of an image's only group included.
    pub fn int8_groups(&self) -> usize {
        if self.planar { 1 } else { self.inputs * GROUPS }
    }

    /// Elements of the packed int8 weights of one output block.
    pub fn int8_weights_per_block(&self) -> usize {
        self.int8_groups() * self.taps() * LANES * GROUP
    }

    /// Elements of the packed int8 weights.
    pub fn int8_weights_len(&self) -> usize {
        self.outputs * self.int8_weights_per_block()
    }

    /// Index of a weight in the packed int8 weights; `tap` counts dz, dy, dx, the last one fastest.
    pub fn int8_weight(&self, output: usize, input: usize, tap: usize) -> usize {
        let (block, input) = (input / LANES, input % LANES);
        let groups = self.int8_groups().min(GROUPS);
        let group = (block * self.taps() + tap) * groups + input / GROUP;
        (output / LANES) * self.int8_weights_per_block()
            + (group * LANES + output % LANES) * GROUP
            + input % GROUP
    }

    /// Multiply-accumulates of one output plane in int8, padding channels included.
    pub fn int8_macs(&self) -> u64 {
        (self.int8_weights_len() * self.height * self.width) as u64
    }
}

/// Arguments of a convolution of one output plane or two from `u8` and `i8`:
/// `sum = f32(sum of products + offset) * scale + bias` goes into the epilogue.
///
/// Sum and offset are exact. Every multiplication and addition after them is rounded, in the
/// epilogue too, so that all kernels return the same bits.
#[derive(Debug)]
pub struct ConvInt8Args<'a> {
    /// Shape of the work; its image is interleaved.
    pub problem: ConvProblem,
    /// Input tensors, in the order of the weights' in-blocks; an image is the only one. Their scales
    /// are the same, or made so by the weights; zero points are the tensors' own.
    pub sources: &'a [Source<'a, u8>],
    /// Packed int8 weights.
    pub weights: &'a [i8],
    /// Added to the sums of products: minus each weight times its input's zero point, summed.
    pub offset: &'a [i32],
    /// What a step of the sum is worth.
    pub scale: &'a [f32],
    /// Added after scaling.
    pub bias: &'a [f32],
    /// Output blocks to compute.
    pub blocks: Range<usize>,
    /// What to do with the sums.
    pub epilogue: Epilogue<'a>,
    /// The second plane, for a kernel that computes two at a time.
    pub next: Option<NextPlane<'a, u8>>,
    /// Working memory of at least the kernel's `scratch_len`.
    pub scratch: &'a mut [i32],
}

impl ConvInt8Args<'_> {
    /// Panics unless every access that the contract allows is inside its slice, and sums fit 32 bits.
    ///
    /// `scratch_len` is that of the kernel that will run.
    pub fn check(&self, scratch_len: usize) {
        let p = &self.problem;
        let image = p.planar;
        assert!(
            !image || p.inputs <= GROUP && self.sources.len() == 1,
            "image"
        );
        let elements = |blocks| if image { GROUP } else { blocks * LANES };
        check_sources(p, self.sources, elements);
        let terms = p.taps().checked_mul(p.inputs);
        assert!(terms.is_some_and(|terms| terms <= MAX_TERMS), "terms");
        assert!(self.blocks.start <= self.blocks.end && self.blocks.end <= p.outputs);
        assert_eq!(self.weights.len(), p.int8_weights_len(), "weights");
        for len in [self.offset.len(), self.scale.len(), self.bias.len()] {
            assert_eq!(len, p.outputs * LANES, "offset, scale or bias");
        }
        assert!(self.scratch.len() >= scratch_len, "scratch");
        self.epilogue.check(p);
        if let Some(next) = &self.next {
            next.check(p, self.sources, elements);
        }
    }
}

/// Arguments of the quantisation of an image plane, from planar to interleaved; channels that it has
/// not become zero points. A blocked plane is quantised by [`PointwiseArgs`](super::PointwiseArgs).
#[derive(Debug)]
pub struct QuantizeArgs<'a> {
    /// Planar image.
    pub input: Plane<'a>,
    /// Channels, 1 to 4.
    pub channels: usize,
    /// Rows of the plane.
    pub height: usize,
    /// Columns of the plane.
    pub width: usize,
    /// The result's.
    pub quantisation: Quantisation,
    /// Interleaved result.
    pub out: PlaneMut<'a, u8>,
}

impl QuantizeArgs<'_> {
    /// Panics unless every access that the contract allows is inside its slice.
    pub fn check(&self) {
        assert!((1..=GROUP).contains(&self.channels), "image channels");
        let area = |halo: usize| {
            let shape = PlaneShape {
                height: self.height,
                width: self.width,
                halo,
            };
            shape.check(1);
            shape.area()
        };
        assert!(
            self.input.data.len() >= self.channels * area(self.input.halo),
            "image plane"
        );
        assert!(
            self.out.data.len() >= GROUP * area(self.out.halo),
            "output plane"
        );
    }
}
