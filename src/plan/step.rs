//! The parts of a plan: tensors, and the steps that compute them plane by plane.

use std::ops::Range;

use endocast_kernels::contract::{Activation, GROUP, LANES, Link, PlaneShape, Tap, blocks_of};
use endocast_weights::Quantisation;

/// Index into [`super::Plan::tensors`].
pub type TensorId = usize;

/// How the voxels of a plane are ordered; see [`endocast_kernels::contract`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[channel][row][column]`.
    Planar,
    /// `[block][row][column][16 channels]`.
    Blocked,
    /// `[row][column][4 channels]`, the image of an int8 convolution.
    Interleaved,
}

/// What the numbers of a tensor are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element {
    /// Single precision.
    F32,
    /// 8-bit integers that stand for real numbers.
    U8(Quantisation),
}

impl Element {
    /// Bytes of one number.
    pub fn size(&self) -> usize {
        match self {
            Element::F32 => size_of::<f32>(),
            Element::U8(_) => 1,
        }
    }

    /// The byte that, repeated, stands for zero.
    pub fn zero(&self) -> u8 {
        match self {
            Element::F32 => 0,
            Element::U8(quantisation) => quantisation.zero,
        }
    }
}

/// Bytes to which planes are rounded up, so that each starts on a cache line.
pub const ALIGNMENT: usize = 64;

/// Where a tensor's planes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// All planes, at this offset of the arena.
    Whole {
        /// In bytes.
        offset: usize,
    },
    /// The latest planes only, at this offset of each slab's ring memory; plane `z` is in slot
    /// `z % slots`.
    Ring {
        /// In bytes.
        offset: usize,
        /// Planes held.
        slots: usize,
    },
}

/// An activation tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The graph node whose value it holds.
    pub name: String,
    /// Logical channels.
    pub channels: usize,
    /// Order of the voxels.
    pub layout: Layout,
    /// What its numbers are.
    pub element: Element,
    /// Planes.
    pub depth: usize,
    /// Extent of a plane; the halo is what the widest reader needs.
    pub shape: PlaneShape,
    /// Where it lives.
    pub home: Home,
}

impl Tensor {
    /// 16-channel blocks, or channels of a planar plane or an image.
    pub fn blocks(&self) -> usize {
        match self.layout {
            Layout::Planar | Layout::Interleaved => self.channels,
            Layout::Blocked => blocks_of(self.channels),
        }
    }

    /// Numbers of a voxel that lie side by side.
    pub fn lanes(&self) -> usize {
        match self.layout {
            Layout::Planar => 1,
            Layout::Blocked => LANES,
            Layout::Interleaved => GROUP,
        }
    }

    /// Elements of one plane, halo included.
    pub fn plane_len(&self) -> usize {
        match self.layout {
            Layout::Planar => self.channels * self.shape.area(),
            Layout::Blocked => self.shape.blocked_len(self.blocks()),
            Layout::Interleaved => self.shape.area() * GROUP,
        }
    }

    /// Bytes from one plane to the next.
    pub fn plane_bytes(&self) -> usize {
        (self.plane_len() * self.element.size()).next_multiple_of(ALIGNMENT)
    }

    /// Depth, height and width.
    pub fn grid(&self) -> [usize; 3] {
        [self.depth, self.shape.height, self.shape.width]
    }

    /// Place of the first plane in the arena; 0 for a ring, which has none there.
    pub fn whole_offset(&self) -> usize {
        match self.home {
            Home::Whole { offset } => offset,
            Home::Ring { .. } => 0,
        }
    }

    /// Bytes of the whole tensor.
    pub fn bytes(&self) -> usize {
        self.depth * self.plane_bytes()
    }
}

/// Per-channel factors and offsets of an affine map.
#[derive(Clone, Debug, PartialEq)]
pub enum Coefficients {
    /// Ones and zeros.
    Identity,
    /// The tensors `scale` and `shift` of this graph node.
    Node(usize),
    /// An instance normalisation, by index into [`super::Plan::normalisations`].
    Normalised(usize),
}

/// A convolution with its fused epilogue.
#[derive(Clone, Debug)]
pub struct Conv {
    /// Graph node that owns `weight` and `bias`.
    pub node: usize,
    /// Edge of the kernel.
    pub kernel: usize,
    /// Input voxels per output voxel.
    pub stride: usize,
    /// Input voxels between taps.
    pub dilation: usize,
    /// Tensors read, in channel order.
    pub sources: Vec<TensorId>,
    /// Tensor added to the sums.
    pub residual: Option<TensorId>,
    /// Leaky ReLU before the first store; 1 for none.
    pub slope: f32,
    /// First store.
    pub raw: Option<TensorId>,
    /// Second store: affine map, leaky ReLU, tensor.
    pub activated: Option<(Coefficients, f32, TensorId)>,
}

/// What a step computes.
#[derive(Clone, Debug)]
pub enum Work {
    /// Convolution.
    Conv(Conv),
    /// Trilinear interpolation, corners aligned.
    Upsample {
        /// Tensor read.
        source: TensorId,
        /// One tap per output plane.
        planes: Vec<Tap>,
        /// One tap per output row.
        rows: Vec<Tap>,
        /// One tap per output column.
        columns: Vec<Tap>,
        /// Leaky ReLU afterwards; 1 for none.
        slope: f32,
        /// Tensor written.
        out: TensorId,
    },
    /// Affine map, optional sum, activation.
    Pointwise {
        /// Tensor read.
        source: TensorId,
        /// Tensor added.
        addend: Option<TensorId>,
        /// Affine map.
        coefficients: Coefficients,
        /// Applied last.
        activation: Activation,
        /// Tensor written.
        out: TensorId,
    },
    /// The image as 8-bit integers, interleaved.
    Quantise {
        /// Tensor read.
        source: TensorId,
        /// Tensor written.
        out: TensorId,
    },
    /// The network's result.
    Result {
        /// Tensor read; planar if a convolution can store it so.
        source: TensorId,
        /// Applied to each voxel's channels.
        link: Link,
        /// Tensor written, planar.
        out: TensorId,
    },
}

/// One operation of the plan: computes any one plane of its outputs, or two at a time, from planes of
/// its inputs.
#[derive(Clone, Debug)]
pub struct Step {
    /// The graph node that gives the step its name.
    pub name: String,
    /// What it computes.
    pub work: Work,
    /// Planes of its outputs.
    pub depth: usize,
    /// Planes computed at a time: 1, or 2 of which the first is even; divides `depth`.
    pub planes: usize,
    /// Whether an instance normalisation needs the statistics of its first output.
    pub measured: bool,
}

impl Step {
    /// Calls `visit` with every tensor read and the planes of it (clipped to its depth) that output
    /// planes `z..z + self.planes` need.
    pub fn for_each_input(
        &self,
        z: usize,
        tensors: &[Tensor],
        mut visit: impl FnMut(TensorId, Range<usize>),
    ) {
        match &self.work {
            Work::Conv(conv) => {
                let reach = conv.kernel / 2 * conv.dilation;
                for &source in &conv.sources {
                    let start = (z * conv.stride).saturating_sub(reach);
                    let end = (z + self.planes - 1) * conv.stride + reach + 1;
                    visit(source, start..end.min(tensors[source].depth));
                }
                if let Some(residual) = conv.residual {
                    visit(residual, z..z + self.planes);
                }
            }
            Work::Upsample { source, planes, .. } => {
                let low = planes[z].index as usize;
                visit(
                    *source,
                    low..low + 1 + usize::from(planes[z].fraction != 0.0),
                );
            }
            Work::Pointwise { source, addend, .. } => {
                visit(*source, z..z + 1);
                if let Some(addend) = addend {
                    visit(*addend, z..z + 1);
                }
            }
            Work::Quantise { source, .. } | Work::Result { source, .. } => {
                visit(*source, z..z + 1);
            }
        }
    }

    /// Tensors read.
    pub fn inputs(&self) -> Vec<TensorId> {
        match &self.work {
            Work::Conv(conv) => conv.sources.iter().copied().chain(conv.residual).collect(),
            Work::Upsample { source, .. }
            | Work::Quantise { source, .. }
            | Work::Result { source, .. } => vec![*source],
            Work::Pointwise { source, addend, .. } => {
                std::iter::once(*source).chain(*addend).collect()
            }
        }
    }

    /// Tensors written: the plain value, then the activated one of a convolution.
    pub fn outputs(&self) -> [Option<TensorId>; 2] {
        match &self.work {
            Work::Conv(conv) => [conv.raw, conv.activated.as_ref().map(|(_, _, out)| *out)],
            Work::Upsample { out, .. }
            | Work::Pointwise { out, .. }
            | Work::Quantise { out, .. }
            | Work::Result { out, .. } => [Some(*out), None],
        }
    }

    /// Rows and columns of halo that this step needs around tensor `id`.
    pub fn halo(&self, id: TensorId) -> usize {
        match &self.work {
            Work::Conv(conv) if conv.sources.contains(&id) => conv.kernel / 2 * conv.dilation,
            _ => 0,
        }
    }

    /// Numbers of scratch beyond what the convolution kernel asks for.
    pub fn scratch_len(&self, tensors: &[Tensor]) -> usize {
        match &self.work {
            Work::Upsample { source, .. } => tensors[*source].shape.width * LANES,
            _ => 0,
        }
    }
}
