//! The kernel of each convolution.

use endocast_kernels::contract::{ConvProblem, blocks_of};
use endocast_kernels::cpu::Isa;
use endocast_kernels::peak::Products;
use endocast_kernels::registry::{self, Choice, ConvInt8Kernel, ConvKernel, Policy, Refusal};

use super::step::{Conv, Element, Layout, Tensor};

/// From this many numbers on, the weights of a convolution with a stage of its own lie in the arena,
/// which is mostly empty where the network is deep.
const PASSING_WEIGHTS: usize = 1 << 19;

/// A convolution's shape and the kernel that runs it.
#[derive(Debug)]
pub struct ConvChoice {
    /// Shape of the work.
    pub problem: ConvProblem,
    /// The kernel, and why others were passed over.
    pub kernel: Kernel,
}

/// A kernel of either precision.
#[derive(Debug)]
pub enum Kernel {
    /// In single precision.
    Single(Choice<ConvKernel>),
    /// On 8-bit integers.
    Int8(Choice<ConvInt8Kernel>),
}

impl ConvChoice {
    /// The preferred kernel for `conv`.
    pub fn new(conv: &Conv, tensors: &[Tensor], policy: Policy) -> ConvChoice {
        let out = conv.raw.or(conv.activated.as_ref().map(|(_, _, out)| *out));
        let out = &tensors[out.unwrap_or(0)];
        let mut sources = conv.sources.iter().map(|&id| &tensors[id]);
        let problem = ConvProblem {
            kernel: conv.kernel,
            stride: conv.stride,
            dilation: conv.dilation,
            inputs: sources.clone().map(Tensor::blocks).sum(),
            planar: sources
                .clone()
                .any(|source| source.layout != Layout::Blocked),
            outputs: blocks_of(out.channels),
            depth: out.depth,
            height: out.shape.height,
            width: out.shape.width,
        };
        let kernel = if sources.any(|source| source.element != Element::F32) {
            Kernel::Int8(registry::conv_int8(policy, &problem))
        } else {
            Kernel::Single(registry::conv(policy, &problem))
        };
        ConvChoice { problem, kernel }
    }

    /// Name of the kernel.
    pub fn name(&self) -> &'static str {
        match &self.kernel {
            Kernel::Single(choice) => choice.kernel.name,
            Kernel::Int8(choice) => choice.kernel.name,
        }
    }

    /// Instruction set of the kernel.
    pub fn isa(&self) -> Isa {
        match &self.kernel {
            Kernel::Single(choice) => choice.kernel.isa,
            Kernel::Int8(choice) => choice.kernel.isa,
        }
    }

    /// What the kernel multiplies.
    pub fn products(&self) -> Products {
        match &self.kernel {
            Kernel::Single(choice) if choice.kernel.exactness.fused => Products::Fused,
            Kernel::Single(_) => Products::Unfused,
            Kernel::Int8(_) => Products::Int8,
        }
    }

    /// Better kernels that were passed over.
    pub fn refused(&self) -> &[Refusal] {
        match &self.kernel {
            Kernel::Single(choice) => &choice.refused,
            Kernel::Int8(choice) => &choice.refused,
        }
    }

    /// Numbers of scratch that the kernel needs.
    pub fn scratch_len(&self) -> usize {
        match &self.kernel {
            Kernel::Single(choice) => choice.kernel.scratch_len(&self.problem),
            Kernel::Int8(choice) => choice.kernel.scratch_len(&self.problem),
        }
    }

    /// Output planes that one call computes: 1, or 2 of which the first is even.
    pub fn planes(&self) -> usize {
        match &self.kernel {
            Kernel::Single(choice) => choice.kernel.planes(),
            Kernel::Int8(choice) => choice.kernel.planes(),
        }
    }

    /// Numbers of the packed weights.
    pub fn packed_len(&self) -> usize {
        match self.kernel {
            Kernel::Single(_) => self.problem.weights_len(),
            Kernel::Int8(_) => self.problem.int8_weights_len(),
        }
    }

    /// Bytes of the packed weights.
    pub fn packed_bytes(&self) -> usize {
        let size = match self.kernel {
            Kernel::Single(_) => size_of::<f32>(),
            Kernel::Int8(_) => size_of::<i8>(),
        };
        self.packed_len() * size
    }

    /// Numbers of the kernel's own form of the weights; 0 if it takes the packed ones.
    pub fn prepared_len(&self) -> usize {
        match &self.kernel {
            Kernel::Single(choice) => choice.kernel.prepared_len(&self.problem).unwrap_or(0),
            Kernel::Int8(_) => 0,
        }
    }

    /// Brings packed weights of consecutive output blocks into the kernel's own form.
    pub fn prepare(&self, packed: &[f32], own: &mut [f32]) {
        if let Kernel::Single(choice) = &self.kernel {
            choice.kernel.prepare(&self.problem, packed, own);
        }
    }

    /// Numbers of weights to make whenever the convolution runs, if it runs in a stage of its own: as
    /// packed, then in the kernel's own form. 0 if they are kept.
    pub fn passing_len(&self) -> usize {
        let len = match self.kernel {
            Kernel::Single(_) => self.packed_len() + self.prepared_len(),
            Kernel::Int8(_) => 0,
        };
        if len < PASSING_WEIGHTS { 0 } else { len }
    }

    /// Multiply-accumulates of one output plane, padding channels included.
    pub fn macs(&self) -> u64 {
        match self.kernel {
            Kernel::Single(_) => self.problem.macs(),
            Kernel::Int8(_) => self.problem.int8_macs(),
        }
    }
}
