//! Every kernel, richest first, and the choice among them.
//!
//! A kernel is obtained only for a [`Cpu`] that has its instruction set: that is what makes `run` a
//! safe function. To add one, write its entry point in `isa/` and add a line to a list below;
//! dispatch, tests, benches and listings follow from the lists.

use crate::contract::{
    ConvArgs, ConvInt8Args, ConvProblem, Exactness, LinkArgs, MomentsArgs, Order, PointwiseArgs,
    QuantizeArgs, UpsampleArgs,
};
use crate::cpu::{Cpu, Isa};
use crate::{isa, op};

/// A convolution kernel.
#[derive(Debug)]
pub struct ConvKernel {
    /// Unique name: operation, data type, instruction set, variant.
    pub name: &'static str,
    /// Instruction set that it needs.
    pub isa: Isa,
    /// How its results are rounded.
    pub exactness: Exactness,
    form: &'static Form,
    entry: unsafe fn(&mut ConvArgs),
}

/// What distinguishes a family of convolution kernels apart from the instruction set.
#[derive(Debug)]
pub(crate) struct Form {
    /// Whether the kernel can run the problem and should, or why not.
    pub accepts: fn(&ConvProblem) -> Result<(), &'static str>,
    /// Output planes per call: 1, or 2 of which the first is even.
    pub planes: usize,
    /// The family's own form of the weights, if it does not use the packed ones.
    pub prepared: Option<Prepared>,
    /// Elements of working memory.
    pub scratch_len: fn(&ConvProblem) -> usize,
}

/// A form of the weights other than the packed one.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Elements of one output block.
    pub block_len: fn(&ConvProblem) -> usize,
    /// Fills a slice of that length from the packed weights of an output block.
    pub fill: fn(&ConvProblem, &[f32], &mut [f32]),
}

impl ConvKernel {
    /// Whether the kernel runs `problem`, or the reason why not.
    pub fn accepts(&self, problem: &ConvProblem) -> Result<(), &'static str> {
        (self.form.accepts)(problem)
    }

    /// Output planes that one call computes: 1, or 2 of which the first is even.
    pub fn planes(&self) -> usize {
        self.form.planes
    }

    /// Elements of this kernel's own form of the weights; `None` if it takes the packed ones.
    pub fn prepared_len(&self, problem: &ConvProblem) -> Option<usize> {
        let form = self.form.prepared.as_ref()?;
        Some(problem.outputs * (form.block_len)(problem))
    }

    /// Converts the packed weights of any number of consecutive output blocks to this kernel's own
    /// form.
    ///
    /// # Panics
    ///
    /// If the kernel has no form of its own or a length is wrong.
    pub fn prepare(&self, problem: &ConvProblem, packed: &[f32], out: &mut [f32]) {
        let form = self
            .form
            .prepared
            .as_ref()
            .expect("the kernel takes packed weights");
        let [from, to] = [problem.weights_per_block(), (form.block_len)(problem)];
        assert_eq!(packed.len() % from, 0, "packed weights");
        assert_eq!(out.len(), packed.len() / from * to, "prepared weights");
        for (packed, out) in packed.chunks_exact(from).zip(out.chunks_exact_mut(to)) {
            (form.fill)(problem, packed, out);
        }
    }

    /// Elements of working memory that [`run`](Self::run) needs.
    pub fn scratch_len(&self, problem: &ConvProblem) -> usize {
        (self.form.scratch_len)(problem)
    }

    /// Computes the output plane, or both.
    ///
    /// # Panics
    ///
    /// If the arguments violate the contract or the kernel does not accept the problem.
    pub fn run(&self, args: &mut ConvArgs) {
        let problem = args.problem;
        let weights = self.prepared_len(&problem);
        args.check(
            weights.unwrap_or_else(|| problem.weights_len()),
            self.scratch_len(&problem),
        );
        self.accepts(&problem)
            .expect("the kernel accepts the problem");
        assert_eq!(args.next.is_some(), self.planes() == 2, "second plane");
        // SAFETY: the registry hands a kernel out only where its instruction set is present, and
        // the arguments were checked.
        unsafe { (self.entry)(args) }
    }
}

/// A kernel of an operation that every kernel can run whatever the shape.
macro_rules! simple_kernel {
    ($(#[$doc:meta])* $name:ident, $args:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            /// Unique name: operation, data type, instruction set.
            pub name: &'static str,
            /// Instruction set that it needs.
            pub isa: Isa,
            /// How its results are rounded.
            pub exactness: Exactness,
            entry: unsafe fn(&mut $args),
        }

        impl $name {
            /// Computes one output plane.
            ///
            /// # Panics
            ///
            /// If the arguments violate the contract.
            pub fn run(&self, args: &mut $args) {
                args.check();
                // SAFETY: the registry hands a kernel out only where its instruction set is
                // present, and the arguments were checked.
                unsafe { (self.entry)(args) }
            }
        }
    };
}

/// A kernel that convolves `u8` with `i8`.
#[derive(Debug)]
pub struct ConvInt8Kernel {
    /// Unique name: operation, data type, instruction set, variant.
    pub name: &'static str,
    /// Instruction set that it needs.
    pub isa: Isa,
    /// How its results are rounded.
    pub exactness: Exactness,
    form: &'static Int8Form,
    entry: unsafe fn(&mut ConvInt8Args),
}

/// What distinguishes a family of int8 convolution kernels apart from the instruction set.
#[derive(Debug)]
pub(crate) struct Int8Form {
    /// Whether the kernel can run the problem, or why not.
    pub accepts: fn(&ConvProblem) -> Result<(), &'static str>,
    /// Whether it should where it can, or why not.
    pub pays: fn(&ConvProblem) -> Result<(), &'static str>,
    /// Output planes per call: 1, or 2 of which the first is even.
    pub planes: usize,
    /// Elements of working memory.
    pub scratch_len: fn(&ConvProblem) -> usize,
}

impl ConvInt8Kernel {
    /// Whether the kernel runs `problem`, or the reason why not.
    pub fn accepts(&self, problem: &ConvProblem) -> Result<(), &'static str> {
        (self.form.accepts)(problem)
    }

    /// Output planes that one call computes: 1, or 2 of which the first is even.
    pub fn planes(&self) -> usize {
        self.form.planes
    }

    /// Elements of working memory that [`run`](Self::run) needs.
    pub fn scratch_len(&self, problem: &ConvProblem) -> usize {
        (self.form.scratch_len)(problem)
    }

    /// Computes the output plane, or both.
    ///
    /// # Panics
    ///
    /// If the arguments violate the contract or the kernel does not accept the problem.
    pub fn run(&self, args: &mut ConvInt8Args) {
        args.check(self.scratch_len(&args.problem));
        self.accepts(&args.problem)
            .expect("the kernel accepts the problem");
        assert_eq!(args.next.is_some(), self.planes() == 2, "second plane");
        // SAFETY: the registry hands a kernel out only where its instruction set is present, and
        // the arguments were checked.
        unsafe { (self.entry)(args) }
    }
}

simple_kernel!(
    /// An interpolation kernel.
    UpsampleKernel,
    UpsampleArgs
);
simple_kernel!(
    /// An element-wise kernel.
    PointwiseKernel,
    PointwiseArgs
);
simple_kernel!(
    /// A kernel that sums values and their squares.
    MomentsKernel,
    MomentsArgs
);
simple_kernel!(
    /// A kernel that quantises an image.
    QuantizeKernel,
    QuantizeArgs
);
simple_kernel!(
    /// A kernel that turns values into probabilities.
    LinkKernel,
    LinkArgs
);

macro_rules! conv {
    ($isa:ident $(:: $variant:ident)?, $Isa:ident) => {
        ConvKernel {
            name: concat!("conv_f32__", stringify!($isa) $(, "_", stringify!($variant))?),
            isa: Isa::$Isa,
            exactness: Exactness {
                order: Order::Direct,
                fused: isa::$isa $(:: $variant)?::FUSED,
            },
            form: &op::conv::DIRECT,
            entry: isa::$isa $(:: $variant)?::conv,
        }
    };
}

macro_rules! wino2x2x4 {
    ($isa:ident, $Isa:ident) => {
        ConvKernel {
            name: concat!("conv_f32__", stringify!($isa), "_wino2x2x4"),
            isa: Isa::$Isa,
            exactness: Exactness {
                order: Order::Winograd2x2x4,
                fused: isa::$isa::FUSED,
            },
            form: &op::winograd::WINOGRAD,
            entry: isa::$isa::wino2x2x4,
        }
    };
}

macro_rules! simple {
    ($Kernel:ident, $op:ident, $isa:ident $(:: $variant:ident)?, $Isa:ident) => {
        $Kernel {
            name: concat!(
                stringify!($op), "_f32__", stringify!($isa) $(, "_", stringify!($variant))?
            ),
            isa: Isa::$Isa,
            exactness: Exactness {
                order: Order::Direct,
                fused: isa::$isa $(:: $variant)?::FUSED,
            },
            entry: isa::$isa $(:: $variant)?::$op,
        }
    };
}

/// Of a kernel that never rounds or rounds everything: the same bits on every processor.
const EXACT: Exactness = Exactness {
    order: Order::Direct,
    fused: false,
};

macro_rules! exact {
    ($Kernel:ident, $name:literal, $isa:ident, $op:ident, $Isa:ident) => {
        $Kernel {
            name: concat!($name, "__", stringify!($isa)),
            isa: Isa::$Isa,
            exactness: EXACT,
            entry: isa::$isa::$op,
        }
    };
}

macro_rules! conv_int8 {
    ($isa:ident $(:: $variant:ident)?, $Isa:ident) => {
        ConvInt8Kernel {
            name: concat!("conv_int8__", stringify!($isa) $(, "_", stringify!($variant))?),
            isa: Isa::$Isa,
            exactness: EXACT,
            form: &op::conv_int8::DIRECT,
            entry: isa::$isa $(:: $variant)?::conv_int8,
        }
    };
}

macro_rules! wino2x4_int8 {
    ($isa:ident, $Isa:ident) => {
        ConvInt8Kernel {
            name: concat!("conv_int8__", stringify!($isa), "_wino2x4"),
            isa: Isa::$Isa,
            exactness: EXACT,
            form: &op::winograd_int8::PLANE,
            entry: isa::$isa::wino2x4_int8,
        }
    };
}

macro_rules! wino2x2x4_int8 {
    ($isa:ident, $Isa:ident, $form:ident) => {
        ConvInt8Kernel {
            name: concat!("conv_int8__", stringify!($isa), "_wino2x2x4"),
            isa: Isa::$Isa,
            exactness: EXACT,
            form: &op::winograd_int8::$form,
            entry: isa::$isa::wino2x2x4_int8,
        }
    };
}

static CONV: &[ConvKernel] = &[
    #[cfg(target_arch = "x86_64")]
    wino2x2x4!(avx512, Avx512),
    #[cfg(target_arch = "x86_64")]
    conv!(avx512, Avx512),
    #[cfg(target_arch = "x86_64")]
    conv!(avx512::unfused, Avx512),
    #[cfg(target_arch = "x86_64")]
    wino2x2x4!(avx2, Avx2),
    #[cfg(target_arch = "x86_64")]
    conv!(avx2, Avx2),
    #[cfg(target_arch = "x86_64")]
    conv!(avx2::unfused, Avx2),
    #[cfg(target_arch = "x86_64")]
    wino2x2x4!(sse2, Sse2),
    #[cfg(target_arch = "x86_64")]
    conv!(sse2, Sse2),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    wino2x2x4!(simd128, Simd128),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    conv!(simd128, Simd128),
    wino2x2x4!(scalar, Scalar),
    conv!(scalar, Scalar),
];

static CONV_INT8: &[ConvInt8Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    conv_int8!(amx, Amx),
    #[cfg(target_arch = "x86_64")]
    wino2x2x4_int8!(avx512vnni, Avx512Vnni, PAIR_OR_DOTS),
    #[cfg(target_arch = "x86_64")]
    conv_int8!(avx512vnni, Avx512Vnni),
    #[cfg(target_arch = "x86_64")]
    conv_int8!(avxvnni, AvxVnni),
    #[cfg(target_arch = "x86_64")]
    wino2x2x4_int8!(avx2, Avx2, PAIR),
    #[cfg(target_arch = "x86_64")]
    wino2x4_int8!(avx2, Avx2),
    #[cfg(target_arch = "x86_64")]
    conv_int8!(avx2, Avx2),
    #[cfg(target_arch = "x86_64")]
    wino2x2x4_int8!(sse2, Sse2, PAIR),
    #[cfg(target_arch = "x86_64")]
    wino2x4_int8!(sse2, Sse2),
    #[cfg(target_arch = "x86_64")]
    conv_int8!(ssse3, Ssse3),
    #[cfg(target_arch = "x86_64")]
    conv_int8!(sse2, Sse2),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    wino2x2x4_int8!(simd128, Simd128, PAIR),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    wino2x4_int8!(simd128, Simd128),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    conv_int8!(simd128, Simd128),
    conv_int8!(scalar, Scalar),
];

/// The kernel for AMX with tiles in software, which is tested on every processor and never chosen.
static CONV_INT8_MODELLED: &[ConvInt8Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    conv_int8!(avx512vnni::modelled, Avx512Vnni),
    conv_int8!(scalar::modelled, Scalar),
];

static UPSAMPLE: &[UpsampleKernel] = &[
    #[cfg(target_arch = "x86_64")]
    simple!(UpsampleKernel, upsample, avx512, Avx512),
    #[cfg(target_arch = "x86_64")]
    simple!(UpsampleKernel, upsample, avx512::unfused, Avx512),
    #[cfg(target_arch = "x86_64")]
    simple!(UpsampleKernel, upsample, avx2, Avx2),
    #[cfg(target_arch = "x86_64")]
    simple!(UpsampleKernel, upsample, avx2::unfused, Avx2),
    #[cfg(target_arch = "x86_64")]
    simple!(UpsampleKernel, upsample, sse2, Sse2),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    simple!(UpsampleKernel, upsample, simd128, Simd128),
    simple!(UpsampleKernel, upsample, scalar, Scalar),
];

static POINTWISE: &[PointwiseKernel] = &[
    #[cfg(target_arch = "x86_64")]
    simple!(PointwiseKernel, pointwise, avx512, Avx512),
    #[cfg(target_arch = "x86_64")]
    simple!(PointwiseKernel, pointwise, avx512::unfused, Avx512),
    #[cfg(target_arch = "x86_64")]
    simple!(PointwiseKernel, pointwise, avx2, Avx2),
    #[cfg(target_arch = "x86_64")]
    simple!(PointwiseKernel, pointwise, avx2::unfused, Avx2),
    #[cfg(target_arch = "x86_64")]
    simple!(PointwiseKernel, pointwise, sse2, Sse2),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    simple!(PointwiseKernel, pointwise, simd128, Simd128),
    simple!(PointwiseKernel, pointwise, scalar, Scalar),
];

static MOMENTS: &[MomentsKernel] = &[
    #[cfg(target_arch = "x86_64")]
    exact!(MomentsKernel, "moments_f32", avx512, moments, Avx512),
    #[cfg(target_arch = "x86_64")]
    exact!(MomentsKernel, "moments_f32", avx2, moments, Avx2),
    #[cfg(target_arch = "x86_64")]
    exact!(MomentsKernel, "moments_f32", sse2, moments, Sse2),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    exact!(MomentsKernel, "moments_f32", simd128, moments, Simd128),
    exact!(MomentsKernel, "moments_f32", scalar, moments, Scalar),
];

static QUANTIZE: &[QuantizeKernel] = &[
    #[cfg(target_arch = "x86_64")]
    exact!(QuantizeKernel, "quantize_f32", avx512, quantize, Avx512),
    #[cfg(target_arch = "x86_64")]
    exact!(QuantizeKernel, "quantize_f32", avx2, quantize, Avx2),
    #[cfg(target_arch = "x86_64")]
    exact!(QuantizeKernel, "quantize_f32", sse2, quantize, Sse2),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    exact!(QuantizeKernel, "quantize_f32", simd128, quantize, Simd128),
    exact!(QuantizeKernel, "quantize_f32", scalar, quantize, Scalar),
];

static LINK: &[LinkKernel] = &[
    #[cfg(target_arch = "x86_64")]
    exact!(LinkKernel, "link_f32", avx512, link, Avx512),
    #[cfg(target_arch = "x86_64")]
    exact!(LinkKernel, "link_f32", avx2, link, Avx2),
    #[cfg(target_arch = "x86_64")]
    exact!(LinkKernel, "link_f32", sse2, link, Sse2),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    exact!(LinkKernel, "link_f32", simd128, link, Simd128),
    exact!(LinkKernel, "link_f32", scalar, link, Scalar),
];

/// A kernel passed over, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kernel.
    pub name: &'static str,
    /// Why it was not taken.
    pub reason: &'static str,
}

/// A kernel and the better ones that were passed over.
#[derive(Clone, Debug)]
pub struct Choice<K: 'static> {
    /// The kernel.
    pub kernel: &'static K,
    /// Kernels before it in the list.
    pub refused: Vec<Refusal>,
}

/// Which kernels may be chosen; a plain [`Cpu`] is the policy that allows everything it can run.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The processor, capped or not.
    pub cpu: Cpu,
    /// Take only kernels with [`Order::Direct`], for results as close to the definition as `f32`
    /// allows.
    pub direct_only: bool,
    /// Take only direct kernels that round every multiplication and addition, for the same results
    /// on every processor.
    pub portable_only: bool,
    /// Take the convolution kernel of this name wherever it is allowed and accepts the problem, also
    /// where another is faster.
    pub preferred: Option<&'static str>,
}

impl From<Cpu> for Policy {
    fn from(cpu: Cpu) -> Policy {
        Policy {
            cpu,
            direct_only: false,
            portable_only: false,
            preferred: None,
        }
    }
}

impl Policy {
    fn prefers(&self, name: &str) -> bool {
        self.preferred == Some(name)
    }

    fn allows(&self, isa: Isa, exactness: Exactness) -> Result<(), &'static str> {
        if !Cpu::detect().has(isa) {
            Err("not on this processor")
        } else if !self.cpu.has(isa) {
            Err("above the cap")
        } else if (self.direct_only || self.portable_only) && exactness.order != Order::Direct {
            Err("not a direct sum")
        } else if self.portable_only && exactness.fused {
            Err("fused multiply-add")
        } else {
            Ok(())
        }
    }
}

fn preferred_first<K>(
    list: &'static [K],
    is_preferred: impl Fn(&K) -> bool,
) -> impl Iterator<Item = &'static K> {
    let (preferred, others): (Vec<_>, Vec<_>) =
        list.iter().partition(|kernel| is_preferred(kernel));
    preferred.into_iter().chain(others)
}

fn choose<K>(
    list: impl Iterator<Item = &'static K>,
    name: impl Fn(&K) -> &'static str,
    judge: impl Fn(&K) -> Result<(), &'static str>,
) -> Choice<K> {
    let mut refused = Vec::new();
    for kernel in list {
        match judge(kernel) {
            Ok(()) => return Choice { kernel, refused },
            Err(reason) => refused.push(Refusal {
                name: name(kernel),
                reason,
            }),
        }
    }
    unreachable!("the last kernel of every list is portable and accepts every problem")
}

/// The preferred convolution kernel for `problem`.
pub fn conv(policy: impl Into<Policy>, problem: &ConvProblem) -> Choice<ConvKernel> {
    let policy = policy.into();
    choose(
        preferred_first(CONV, |kernel| policy.prefers(kernel.name)),
        |kernel| kernel.name,
        |kernel| {
            policy.allows(kernel.isa, kernel.exactness)?;
            kernel.accepts(problem)
        },
    )
}

/// Every convolution kernel that may run, preferred ones first.
pub fn conv_kernels(policy: impl Into<Policy>) -> impl Iterator<Item = &'static ConvKernel> {
    let policy = policy.into();
    CONV.iter()
        .filter(move |kernel| policy.allows(kernel.isa, kernel.exactness).is_ok())
}

/// The preferred int8 convolution kernel for `problem`.
pub fn conv_int8(policy: impl Into<Policy>, problem: &ConvProblem) -> Choice<ConvInt8Kernel> {
    let policy = policy.into();
    choose(
        preferred_first(CONV_INT8, |kernel| policy.prefers(kernel.name)),
        |kernel| kernel.name,
        |kernel| {
            policy.allows(kernel.isa, kernel.exactness)?;
            kernel.accepts(problem)?;
            if policy.prefers(kernel.name) {
                return Ok(());
            }
            (kernel.form.pays)(problem)
        },
    )
}

/// Every int8 convolution kernel that may run, preferred ones first.
pub fn conv_int8_kernels(
    policy: impl Into<Policy>,
) -> impl Iterator<Item = &'static ConvInt8Kernel> {
    let policy = policy.into();
    (CONV_INT8.iter()).filter(move |kernel| policy.allows(kernel.isa, kernel.exactness).is_ok())
}

macro_rules! simple_access {
    ($list:ident, $Kernel:ident, $what:literal, $choose:ident, $every:ident) => {
        #[doc = concat!("The preferred ", $what, " kernel.")]
        pub fn $choose(policy: impl Into<Policy>) -> Choice<$Kernel> {
            let policy = policy.into();
            choose(
                $list.iter(),
                |kernel| kernel.name,
                |kernel| policy.allows(kernel.isa, kernel.exactness),
            )
        }

        #[doc = concat!("Every ", $what, " kernel that may run, preferred ones first.")]
        pub fn $every(policy: impl Into<Policy>) -> impl Iterator<Item = &'static $Kernel> {
            let policy = policy.into();
            $list
                .iter()
                .filter(move |kernel| policy.allows(kernel.isa, kernel.exactness).is_ok())
        }
    };
}

/// The AMX kernel of the int8 convolution with a software model of its tiles, once with each kind of
/// epilogue that may run: slow, for tests where the processor has no tiles.
pub fn conv_int8_modelled(
    policy: impl Into<Policy>,
) -> impl Iterator<Item = &'static ConvInt8Kernel> {
    let policy = policy.into();
    (CONV_INT8_MODELLED.iter())
        .filter(move |kernel| policy.allows(kernel.isa, kernel.exactness).is_ok())
}

simple_access!(
    UPSAMPLE,
    UpsampleKernel,
    "interpolation",
    upsample,
    upsample_kernels
);
simple_access!(
    POINTWISE,
    PointwiseKernel,
    "element-wise",
    pointwise,
    pointwise_kernels
);
simple_access!(MOMENTS, MomentsKernel, "summing", moments, moments_kernels);
simple_access!(
    QUANTIZE,
    QuantizeKernel,
    "image quantisation",
    quantize,
    quantize_kernels
);
simple_access!(LINK, LinkKernel, "link", link, link_kernels);

/// A line of the listing of all kernels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listed {
    /// Unique name.
    pub name: &'static str,
    /// Instruction set that it needs.
    pub isa: Isa,
    /// How its results are rounded.
    pub exactness: Exactness,
}

/// All kernels of this build, whether or not this processor can run them.
pub fn all() -> impl Iterator<Item = Listed> {
    macro_rules! listed {
        ($list:ident) => {
            $list.iter().map(|kernel| Listed {
                name: kernel.name,
                isa: kernel.isa,
                exactness: kernel.exactness,
            })
        };
    }
    listed!(CONV)
        .chain(listed!(CONV_INT8))
        .chain(listed!(UPSAMPLE))
        .chain(listed!(POINTWISE))
        .chain(listed!(MOMENTS))
        .chain(listed!(QUANTIZE))
        .chain(listed!(LINK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_name_their_instruction_set() {
        let names: Vec<_> = all().map(|kernel| kernel.name).collect();
        for (i, kernel) in all().enumerate() {
            assert!(!names[..i].contains(&kernel.name), "{}", kernel.name);
            let (_, how) = kernel.name.split_once("__").expect("what__how");
            assert_eq!(how.split('_').next(), Some(kernel.isa.name()));
        }
    }

    #[test]
    fn a_cap_leads_to_the_portable_kernel_and_says_why() {
        let choice = moments(Cpu::detect().capped(Isa::Scalar));
        assert_eq!(choice.kernel.isa, Isa::Scalar);
        assert_eq!(choice.refused.len(), MOMENTS.len() - 1);
    }

    #[test]
    fn a_preferred_kernel_is_taken_where_it_can_run() {
        let mut problem = ConvProblem {
            kernel: 3,
            stride: 1,
            dilation: 1,
            inputs: 1,
            planar: false,
            outputs: 1,
            depth: 4,
            height: 4,
            width: 4,
        };
        for kernel in conv_int8_kernels(Cpu::detect()) {
            let mut policy = Policy::from(Cpu::detect());
            policy.preferred = Some(kernel.name);
            assert_eq!(conv_int8(policy, &problem).kernel.name, kernel.name);
            policy.cpu = Cpu::detect().capped(Isa::Scalar);
            assert_eq!(conv_int8(policy, &problem).kernel.isa, Isa::Scalar);
        }
        problem.depth = 3;
        let pairs = |kernel: &&ConvInt8Kernel| kernel.planes() == 2;
        for kernel in conv_int8_kernels(Cpu::detect()).filter(pairs) {
            assert_eq!(kernel.accepts(&problem), Err("planes do not pair up"));
        }
        problem.stride = 2;
        let mut policy = Policy::from(Cpu::detect());
        let usual = conv(policy, &problem).kernel.name;
        policy.preferred = Some("conv_f32__scalar_wino2x2x4");
        assert_eq!(conv(policy, &problem).kernel.name, usual);
    }
}
