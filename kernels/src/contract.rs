//! What every kernel promises and what it may rely on.
//!
//! All kernels work on one output plane, or a pair, at a time; whoever drives them decides which planes
//! exist.
//!
//! # Layouts
//!
//! * **Blocked plane**: `[block][row][column][16 channels]` of `f32` or `u8`, surrounded on all four
//!   sides by a halo of [`PlaneShape::halo`] rows and columns that holds zeros, in `u8` the zero
//!   point. Channels beyond the logical ones are zero.
//! * **Planar plane**: `[channel][row][column]` of `f32` with the same halo; only the input image and
//!   the network's results have it.
//! * **Interleaved plane**: `[row][column][4 channels]` of `u8` with the same halo; the input image of
//!   an int8 convolution.
//! * **Packed convolution weights**: `[out block][in block][tap][16 in][16 out]` of `f32`, taps in the
//!   order dz, dy, dx; a planar input of `n` channels has one in-block of `n` instead of 16. Padding
//!   is zero. Bias, scale, shift and offset vectors are padded to whole blocks.
//! * **Packed int8 weights**: `[out block][in block][tap][4 groups][16 out][4 in]` of `i8`, the 16
//!   input channels of a block in groups of 4; an interleaved input has one in-block of one group.
//!   They obey the pair rule, see [`pairs_fit`].
//!
//! # Rules
//!
//! * A kernel reads nothing outside the slices it is given and writes nothing but the interior
//!   (never the halo) of its output planes. Outputs alias nothing; the borrow checker sees to it.
//! * A kernel is a pure function of its arguments: scratch contents do not matter, no state remains.
//! * [`Exactness`] says how results relate to the scalar reference and to each other.
//! * Every argument struct is checked once per call by its `check`, in safe code; the unsafe bodies
//!   rely on exactly those checks and on nothing else.

use std::fmt;
use std::ops::Range;

mod int8;
pub use int8::*;

/// Channels per block, and `f32` lanes of the widest register.
pub const LANES: usize = 16;

/// How a kernel's results are rounded: kernels of one operation with equal `Exactness` return the
/// same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exactness {
    /// Order of the operations.
    pub order: Order,
    /// Whether each multiply-add is rounded once instead of twice.
    pub fused: bool,
}

/// Order of a kernel's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// As the formula of the operation says. A convolution starts at the bias and adds one product
    /// at a time: source, block, dz, dy, dx, input channel.
    Direct,
    /// Minimal filtering of 2 x 2 x 4 outputs at a time, tiles counted from the first plane, row and
    /// column.
    Winograd2x2x4,
}

impl Exactness {
    /// Largest |error| of a result behind which lie `roundings` roundings in a row.
    ///
    /// `magnitude` is the formula of the result with every value and factor replaced by its absolute
    /// value and every product by at least the smallest normal number, as [`crate::reference`]
    /// returns it. Each rounding is off by at most half a unit in the last place of something no
    /// larger than that (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1).
    pub fn bound(self, roundings: usize, magnitude: f64) -> f64 {
        let relative = roundings as f64 * f64::from(f32::EPSILON) / 2.0;
        magnitude * relative / (1.0 - relative)
    }
}

/// Extent of one plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneShape {
    /// Rows, without the halo.
    pub height: usize,
    /// Columns, without the halo.
    pub width: usize,
    /// Rows above and below, columns left and right, that hold zeros or the zero point.
    pub halo: usize,
}

impl PlaneShape {
    /// Voxels from one row to the next.
    pub fn pitch(&self) -> usize {
        self.width + 2 * self.halo
    }

    /// Voxels of one channel block (or one planar channel), halo included.
    pub fn area(&self) -> usize {
        (self.height + 2 * self.halo) * self.pitch()
    }

    /// Elements of a blocked plane of `blocks` channel blocks.
    pub fn blocked_len(&self, blocks: usize) -> usize {
        blocks * self.area() * LANES
    }

    /// Panics unless the elements of `blocks` blocks can be counted in a `usize`.
    fn check(&self, blocks: usize) {
        let count = |a: usize, b: usize| a.checked_mul(b).expect("plane extent");
        let padded = |extent: usize| (self.halo.checked_mul(2)?).checked_add(extent);
        let rows = padded(self.height).expect("plane extent");
        let columns = padded(self.width).expect("plane extent");
        count(count(count(rows, columns), blocks), LANES);
    }

    /// Index of the voxel at (`row`, `column`), counted from the halo's corner, inside its block.
    pub fn voxel(&self, row: usize, column: usize) -> usize {
        (row + self.halo) * self.pitch() + column + self.halo
    }
}

/// Number of 16-channel blocks that hold `channels`.
pub const fn blocks_of(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// The part of a convolution that is known before any data: decides which kernel runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvProblem {
    /// Edge of the cubic kernel: 1 or 3.
    pub kernel: usize,
    /// Input voxels per output voxel: 1 or 2.
    pub stride: usize,
    /// Input voxels between taps.
    pub dilation: usize,
    /// Channel blocks over all sources; for an image its channels.
    pub inputs: usize,
    /// Whether the input is an image (planar, or interleaved in `u8`) instead of blocked.
    pub planar: bool,
    /// Output channel blocks.
    pub outputs: usize,
    /// Output planes of the whole volume.
    pub depth: usize,
    /// Output rows.
    pub height: usize,
    /// Output columns.
    pub width: usize,
}

impl ConvProblem {
    /// Kernel taps: 1 or 27.
    pub fn taps(&self) -> usize {
        self.kernel.pow(3)
    }

    /// Elements of the packed weights of one output block.
    pub fn weights_per_block(&self) -> usize {
        self.inputs * self.taps() * LANES * if self.planar { 1 } else { LANES }
    }

    /// Elements of the packed weights.
    pub fn weights_len(&self) -> usize {
        self.outputs * self.weights_per_block()
    }

    /// Rows and columns of halo that the sources need.
    pub fn halo(&self) -> usize {
        (self.kernel / 2) * self.dilation
    }

    /// Multiply-accumulates of one output plane, padding channels included.
    pub fn macs(&self) -> u64 {
        (self.weights_len() * self.height * self.width) as u64
    }
}

/// Kernel, stride, padded channels and extent of the output, in one word.
impl fmt::Display for ConvProblem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "k{}s{}", self.kernel, self.stride)?;
        if self.dilation != 1 {
            write!(f, "d{}", self.dilation)?;
        }
        let inputs = self.inputs * if self.planar { 1 } else { LANES };
        let outputs = self.outputs * LANES;
        write!(f, "_{inputs}to{outputs}_{}x{}", self.height, self.width)
    }
}

/// One input tensor of a convolution, seen from one output plane.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a, T = f32> {
    /// Input planes `z * stride + (dz - 1) * dilation` for dz = 0, 1, 2; a plane outside the volume is
    /// a plane of zeros, in `u8` of the zero point. A 1x1x1 convolution reads only the middle one.
    pub planes: [&'a [T]; 3],
    /// Extent of each plane.
    pub shape: PlaneShape,
    /// Channel blocks (channels of an image) of each plane.
    pub blocks: usize,
}

/// A plane that is read at the output's own voxels.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a, T = f32> {
    /// All elements, halo included.
    pub data: &'a [T],
    /// Rows and columns of halo.
    pub halo: usize,
}

/// A plane that is written.
#[derive(Debug)]
pub struct PlaneMut<'a, T = f32> {
    /// All elements, halo included; the kernel writes the interior only.
    pub data: &'a mut [T],
    /// Rows and columns of halo.
    pub halo: usize,
}

/// Where results go, and as what.
#[derive(Debug)]
pub enum Store<'a> {
    /// As they are.
    F32(PlaneMut<'a>),
    /// Quantised.
    U8(PlaneMut<'a, u8>, Quantisation),
    /// As they are, so many of the first channels only, planar: the one store of a convolution that ends a
    /// network, 1x1x1 with stride 1 from blocks and without a residual.
    Planar(PlaneMut<'a>, usize),
}

impl Store<'_> {
    /// Panics unless the plane holds `blocks` blocks of `height` by `width` voxels.
    fn check(&self, height: usize, width: usize, blocks: usize) {
        let (len, halo) = match self {
            Store::F32(plane) => (plane.data.len(), plane.halo),
            Store::U8(plane, _) => (plane.data.len(), plane.halo),
            Store::Planar(..) => panic!("planar store"),
        };
        let shape = PlaneShape {
            height,
            width,
            halo,
        };
        shape.check(blocks);
        assert!(len >= shape.blocked_len(blocks), "output plane");
    }
}

impl<'a> From<PlaneMut<'a>> for Store<'a> {
    fn from(plane: PlaneMut<'a>) -> Store<'a> {
        Store::F32(plane)
    }
}

/// Second output of an epilogue: the value after a per-channel affine map and a leaky ReLU.
#[derive(Debug)]
pub struct Activated<'a> {
    /// Per-channel factor, all output blocks.
    pub scale: &'a [f32],
    /// Per-channel offset, all output blocks.
    pub shift: &'a [f32],
    /// Factor on negative values; 1 for none.
    pub slope: f32,
    /// Where the values go.
    pub out: Store<'a>,
}

/// What happens to a sum before it is stored:
/// `raw = leaky(sum + bias + residual, slope)`, `activated = leaky(raw * scale + shift, slope')`.
#[derive(Debug)]
pub struct Epilogue<'a> {
    /// Added to the sum.
    pub residual: Option<Plane<'a>>,
    /// Factor on negative values before the first store; 1 for none.
    pub slope: f32,
    /// First store.
    pub raw: Option<Store<'a>>,
    /// Second store.
    pub activated: Option<Activated<'a>>,
}

/// The output plane `z + 1` beside plane `z`, which is even.
#[derive(Debug)]
pub struct NextPlane<'a, T = f32> {
    /// Input plane `z + 2` of each source, of the shape and in the order of the convolution's sources.
    pub planes: &'a [&'a [T]],
    /// What to do with the sums of plane `z + 1`.
    pub epilogue: Epilogue<'a>,
}

/// Arguments of a convolution of one output plane or two, planar or blocked input.
#[derive(Debug)]
pub struct ConvArgs<'a> {
    /// Shape of the work.
    pub problem: ConvProblem,
    /// Input tensors, in the order of the weights' in-blocks.
    pub sources: &'a [Source<'a>],
    /// Weights as the kernel's `prepare` made them (the packed ones if it has none).
    pub weights: &'a [f32],
    /// One value per output channel, padded to whole blocks.
    pub bias: &'a [f32],
    /// Output blocks to compute.
    pub blocks: Range<usize>,
    /// What to do with the sums.
    pub epilogue: Epilogue<'a>,
    /// The second plane, for a kernel that computes two at a time.
    pub next: Option<NextPlane<'a>>,
    /// Working memory of at least the kernel's `scratch_len`.
    pub scratch: &'a mut [f32],
}

impl ConvArgs<'_> {
    /// Panics unless every access that the contract allows is inside its slice.
    ///
    /// `weights_len` and `scratch_len` are those of the kernel that will run.
    pub fn check(&self, weights_len: usize, scratch_len: usize) {
        let p = &self.problem;
        let lanes = if p.planar { 1 } else { LANES };
        check_sources(p, self.sources, |blocks| blocks * lanes);
        assert!(self.blocks.start <= self.blocks.end && self.blocks.end <= p.outputs);
        assert_eq!(self.weights.len(), weights_len, "weights");
        assert_eq!(self.bias.len(), p.outputs * LANES, "bias");
        assert!(self.scratch.len() >= scratch_len, "scratch");
        self.epilogue.check(p);
        if let Some(next) = &self.next {
            next.check(p, self.sources, |blocks| blocks * lanes);
        }
    }
}

impl<T> NextPlane<'_, T> {
    /// Panics unless its planes match the sources, with `elements` per voxel of so many blocks, and its
    /// epilogue the outputs of `problem`.
    fn check(
        &self,
        problem: &ConvProblem,
        sources: &[Source<T>],
        elements: impl Fn(usize) -> usize,
    ) {
        assert_eq!(self.planes.len(), sources.len(), "next planes");
        for (plane, source) in self.planes.iter().zip(sources) {
            let len = elements(source.blocks) * source.shape.area();
            assert!(plane.len() >= len, "next plane");
        }
        self.epilogue.check(problem);
    }
}

/// Panics unless the sources of `problem` contain all that is read of them; `elements` per voxel of
/// so many blocks.
fn check_sources<T>(
    problem: &ConvProblem,
    sources: &[Source<T>],
    elements: impl Fn(usize) -> usize,
) {
    let p = problem;
    assert!(matches!((p.kernel, p.stride), (1 | 3, 1 | 2)) && p.dilation >= 1);
    assert!(p.height >= 1 && p.width >= 1 && p.inputs >= 1);
    let inputs = (sources.iter()).try_fold(0, |sum: usize, source| sum.checked_add(source.blocks));
    assert_eq!(inputs, Some(p.inputs), "sources");
    for source in sources {
        source.shape.check(source.blocks);
        assert!(source.shape.halo >= p.halo(), "halo");
        assert!((p.height - 1) * p.stride < source.shape.height, "rows");
        assert!((p.width - 1) * p.stride < source.shape.width, "columns");
        let len = elements(source.blocks) * source.shape.area();
        let read = if p.kernel == 1 { 1..2 } else { 0..3 };
        assert!(
            source.planes[read].iter().all(|plane| plane.len() >= len),
            "source plane"
        );
    }
}

impl Epilogue<'_> {
    /// Whether the only store is planar.
    pub(crate) fn is_planar(&self) -> bool {
        matches!(self.raw, Some(Store::Planar(..)))
    }

    /// Panics unless its planes and vectors hold the outputs of `problem`.
    fn check(&self, problem: &ConvProblem) {
        let p = problem;
        if let Some(Store::Planar(plane, channels)) = &self.raw {
            let plain = self.residual.is_none() && self.activated.is_none();
            assert!(
                plain && p.kernel == 1 && p.stride == 1 && !p.planar,
                "planar store"
            );
            let shape = PlaneShape {
                height: p.height,
                width: p.width,
                halo: plane.halo,
            };
            shape.check(p.outputs);
            assert!(*channels <= p.outputs * LANES, "output channels");
            assert!(plane.data.len() >= channels * shape.area(), "output plane");
            return;
        }
        if let Some(residual) = &self.residual {
            let shape = PlaneShape {
                height: p.height,
                width: p.width,
                halo: residual.halo,
            };
            shape.check(p.outputs);
            assert!(
                residual.data.len() >= shape.blocked_len(p.outputs),
                "residual plane"
            );
        }
        if let Some(raw) = &self.raw {
            raw.check(p.height, p.width, p.outputs);
        }
        if let Some(activated) = &self.activated {
            activated.out.check(p.height, p.width, p.outputs);
            assert_eq!(activated.scale.len(), p.outputs * LANES, "scale");
            assert_eq!(activated.shift.len(), p.outputs * LANES, "shift");
        }
    }
}

/// Where one output coordinate of an interpolation falls on the input axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// Lower input index.
    pub index: u32,
    /// Weight of the next higher input index (which is not read when this is 0), below 1.
    pub fraction: f32,
}

/// Positions of `factor * len` outputs on an axis of `len` inputs, corners aligned:
/// output `i` lies at `i * (len - 1) / (factor * len - 1)`.
pub fn upsample_taps(len: usize, factor: usize) -> impl Iterator<Item = Tap> {
    let outputs = len * factor;
    (0..outputs).map(move |i| {
        let (position, last) = (i * (len - 1), (outputs - 1).max(1));
        Tap {
            index: (position / last) as u32,
            fraction: ((position % last) as f64 / last as f64) as f32,
        }
    })
}

/// Arguments of a trilinear interpolation of one output plane (all blocks):
/// `out = leaky(lerp_x(lerp_y(lerp_z(planes))), slope)`.
#[derive(Debug)]
pub struct UpsampleArgs<'a> {
    /// Lower and higher input plane (the same one where the fraction is 0), blocked.
    pub planes: [&'a [f32]; 2],
    /// Extent of both input planes.
    pub shape: PlaneShape,
    /// Channel blocks.
    pub blocks: usize,
    /// Weight of the higher plane.
    pub fraction: f32,
    /// One tap per output row.
    pub rows: &'a [Tap],
    /// One tap per output column.
    pub columns: &'a [Tap],
    /// Factor on negative values; 1 for none.
    pub slope: f32,
    /// Result; its extent is `rows.len()` by `columns.len()`.
    pub out: Store<'a>,
    /// At least `shape.width * 16` elements: one interpolated input row.
    pub scratch: &'a mut [f32],
}

impl UpsampleArgs<'_> {
    /// Panics unless every access that the contract allows is inside its slice.
    pub fn check(&self) {
        self.shape.check(self.blocks);
        let len = self.shape.blocked_len(self.blocks);
        assert!(
            self.planes.iter().all(|plane| plane.len() >= len),
            "input plane"
        );
        let inside = |taps: &[Tap], extent: usize| {
            taps.iter().all(|tap| {
                (tap.index as usize) + usize::from(tap.fraction != 0.0) < extent
                    && (0.0..1.0).contains(&tap.fraction)
            })
        };
        assert!(inside(self.rows, self.shape.height), "row taps");
        assert!(inside(self.columns, self.shape.width), "column taps");
        (self.out).check(self.rows.len(), self.columns.len(), self.blocks);
        assert!(self.scratch.len() >= self.shape.width * LANES, "scratch");
    }
}

/// Non-linearity of a [`PointwiseArgs`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, slope * x)`; slope 1 is the identity.
    Leaky {
        /// Factor on negative values.
        slope: f32,
    },
    /// `x / 2 * (1 + erf(x / sqrt 2))`, within 1e-6 absolute.
    Gelu,
}

/// Arguments of `out = activation(input * scale + shift + addend)` over the interior of one plane.
#[derive(Debug)]
pub struct PointwiseArgs<'a> {
    /// Input values.
    pub input: Plane<'a>,
    /// Added after the affine map.
    pub addend: Option<Plane<'a>>,
    /// Rows of the plane.
    pub height: usize,
    /// Columns of the plane.
    pub width: usize,
    /// Channel blocks.
    pub blocks: usize,
    /// Per-channel factor.
    pub scale: &'a [f32],
    /// Per-channel offset.
    pub shift: &'a [f32],
    /// Applied last.
    pub activation: Activation,
    /// Result.
    pub out: Store<'a>,
}

impl PointwiseArgs<'_> {
    /// Panics unless every access that the contract allows is inside its slice.
    pub fn check(&self) {
        let fits = |len: usize, halo: usize| {
            let shape = PlaneShape {
                height: self.height,
                width: self.width,
                halo,
            };
            shape.check(self.blocks);
            assert!(len >= shape.blocked_len(self.blocks), "plane");
        };
        fits(self.input.data.len(), self.input.halo);
        self.out.check(self.height, self.width, self.blocks);
        if let Some(addend) = &self.addend {
            fits(addend.data.len(), addend.halo);
        }
        assert_eq!(self.scale.len(), self.blocks * LANES, "scale");
        assert_eq!(self.shift.len(), self.blocks * LANES, "shift");
    }
}

/// From a network's last values to probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// None: the values as they are.
    Identity,
    /// Logistic function, channel by channel.
    Sigmoid,
    /// Softmax over the channels.
    Softmax,
}

/// Arguments of the link function of one plane. The exponential in it is the engine's own, the same on
/// every processor.
#[derive(Debug)]
pub struct LinkArgs<'a> {
    /// Values.
    pub input: Plane<'a>,
    /// Values of a voxel side by side: 1 if the input is planar, 16 if it is blocked.
    pub lanes: usize,
    /// Channels.
    pub channels: usize,
    /// Rows of the plane.
    pub height: usize,
    /// Columns of the plane.
    pub width: usize,
    /// Applied to each voxel's channels.
    pub link: Link,
    /// Planar result.
    pub out: PlaneMut<'a>,
}

impl LinkArgs<'_> {
    /// Panics unless every access that the contract allows is inside its slice.
    pub fn check(&self) {
        assert!(matches!(self.lanes, 1 | LANES), "lanes");
        let fits = |len: usize, halo: usize, channels: usize| {
            let shape = PlaneShape {
                height: self.height,
                width: self.width,
                halo,
            };
            shape.check(blocks_of(channels));
            assert!(len >= channels * shape.area(), "plane");
        };
        let channels = self.channels.next_multiple_of(self.lanes);
        fits(self.input.data.len(), self.input.halo, channels);
        fits(self.out.data.len(), self.out.halo, self.channels);
    }
}

/// Arguments of the per-channel sums of one plane, added in row-major order in `f64`.
#[derive(Debug)]
pub struct MomentsArgs<'a> {
    /// Input values.
    pub input: Plane<'a>,
    /// Rows of the plane.
    pub height: usize,
    /// Columns of the plane.
    pub width: usize,
    /// Channel blocks.
    pub blocks: usize,
    /// Sum of each channel over the plane, overwritten.
    pub sums: &'a mut [f64],
    /// Sum of squares of each channel over the plane, overwritten.
    pub squares: &'a mut [f64],
}

impl MomentsArgs<'_> {
    /// Panics unless every access that the contract allows is inside its slice.
    pub fn check(&self) {
        let shape = PlaneShape {
            height: self.height,
            width: self.width,
            halo: self.input.halo,
        };
        shape.check(self.blocks);
        assert!(
            self.input.data.len() >= shape.blocked_len(self.blocks),
            "plane"
        );
        assert_eq!(self.sums.len(), self.blocks * LANES, "sums");
        assert_eq!(self.squares.len(), self.blocks * LANES, "squares");
    }
}
