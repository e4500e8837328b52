//! The kernel of each convolution.

use endocast_kernels::contract::ConvProblem;
use endocast_kernels::cpu::Isa;
use endocast_kernels::registry::{self, Choice, ConvInt8Kernel, ConvKernel, Policy, Refusal};

use super::step::{Conv, Element, Layout, Tensor};

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
            outputs: out.blocks(),
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

    /// Bytes of weights in the kernel's own form.
    pub fn prepared_bytes(&self) -> usize {
        let len = match &self.kernel {
            Kernel::Single(choice) => choice.kernel.prepared_len(&self.problem),
            Kernel::Int8(_) => None,
        };
        len.unwrap_or(0) * size_of::<f32>()
    }

    /// Multiply-accumulates of one output plane, padding channels included.
    pub fn macs(&self) -> u64 {
        match self.kernel {
            Kernel::Single(_) => self.problem.macs(),
            Kernel::Int8(_) => self.problem.int8_macs(),
        }
    }
}
