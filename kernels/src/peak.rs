//! Multiply-accumulates per second that one core can do at best, by instruction set: what the
//! throughputs of the convolution kernels are shares of.

use std::time::Instant;

use crate::cpu::{Cpu, Isa};
#[cfg(target_arch = "x86_64")]
use crate::isa;

/// What is multiplied, and how it is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    /// `f32`, rounded once per multiply-add.
    Fused,
    /// `f32`, products and sums rounded.
    Unfused,
    /// Bytes, summed in 32 bits.
    Int8,
}

/// The multiplying instructions of an instruction set, on registers alone.
#[derive(Debug)]
pub struct Peak {
    /// Instruction set that they belong to.
    pub isa: Isa,
    /// What they compute.
    pub products: Products,
    /// Their names.
    pub instructions: &'static str,
    /// Multiply-accumulates of a pass.
    macs: u64,
    /// About a millisecond of them.
    pass: unsafe fn(),
}

/// Passes, of which the fastest counts.
const PASSES: usize = 50;

impl Peak {
    /// Measures on the calling thread for about a twentieth of a second.
    pub fn macs_per_second(&self) -> f64 {
        let seconds = (0..PASSES).map(|_| {
            let start = Instant::now();
            // SAFETY: `peaks` hands this out only where the instruction set is present.
            unsafe { (self.pass)() };
            start.elapsed().as_secs_f64()
        });
        self.macs as f64 / seconds.fold(f64::INFINITY, f64::min)
    }
}

/// Every peak that `cpu` can measure, poorest instruction set first. Portable code has none.
pub fn peaks(cpu: Cpu) -> impl Iterator<Item = &'static Peak> {
    PEAKS.iter().filter(move |peak| cpu.has(peak.isa))
}

#[cfg(target_arch = "x86_64")]
const ROUNDS: u64 = 400_000;
/// Independent sums, enough to hide every latency.
#[cfg(target_arch = "x86_64")]
const SUMS: u64 = 12;

/// A peak of `$macs` multiply-accumulates per step on sum number `\r`; registers 12 to 15 are free.
#[cfg(target_arch = "x86_64")]
macro_rules! peak {
    ($Isa:ident, $Products:ident, $instructions:literal, $macs:literal,
        $($step:literal),+; $end:literal) => {
        Peak {
            isa: Isa::$Isa,
            products: Products::$Products,
            instructions: $instructions,
            macs: ROUNDS * SUMS * $macs,
            pass: {
                /// # Safety
                ///
                /// The processor has the instruction set.
                unsafe fn pass() {
                    // SAFETY: register arithmetic in an instruction set that the caller promises, on
                    // registers that are declared as overwritten.
                    unsafe {
                        std::arch::asm!(
                            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                            "xorps xmm\\r, xmm\\r",
                            ".endr",
                            "2:",
                            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11",
                            $($step,)+
                            ".endr",
                            "dec {rounds}",
                            "jnz 2b",
                            $end,
                            rounds = inout(reg) ROUNDS => _,
                            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                            options(nomem, nostack)
                        );
                    }
                }
                pass
            },
        }
    };
}

static PEAKS: &[Peak] = &[
    #[cfg(target_arch = "x86_64")]
    peak!(Sse2, Unfused, "mulps addps", 4,
        "movaps xmm12, xmm14", "mulps xmm12, xmm15", "addps xmm\\r, xmm12"; ""),
    #[cfg(target_arch = "x86_64")]
    peak!(Sse2, Int8, "pmaddwd paddd", 8,
        "movdqa xmm12, xmm14", "pmaddwd xmm12, xmm15", "paddd xmm\\r, xmm12"; ""),
    #[cfg(target_arch = "x86_64")]
    peak!(Ssse3, Int8, "pmaddubsw pmaddwd paddd", 16,
        "movdqa xmm12, xmm14", "pmaddubsw xmm12, xmm15", "pmaddwd xmm12, xmm15",
        "paddd xmm\\r, xmm12"; ""),
    #[cfg(target_arch = "x86_64")]
    peak!(Avx2, Fused, "vfmadd", 8, "vfmadd231ps ymm\\r, ymm14, ymm15"; "vzeroupper"),
    #[cfg(target_arch = "x86_64")]
    peak!(Avx2, Unfused, "vmulps vaddps", 8,
        "vmulps ymm12, ymm14, ymm15", "vaddps ymm\\r, ymm\\r, ymm12"; "vzeroupper"),
    #[cfg(target_arch = "x86_64")]
    peak!(Avx2, Int8, "vpmaddubsw vpmaddwd vpaddd", 32,
        "vpmaddubsw ymm12, ymm14, ymm15", "vpmaddwd ymm12, ymm12, ymm15",
        "vpaddd ymm\\r, ymm\\r, ymm12"; "vzeroupper"),
    #[cfg(target_arch = "x86_64")]
    peak!(AvxVnni, Int8, "vpdpbusd", 32, "{{vex}} vpdpbusd ymm\\r, ymm14, ymm15"; "vzeroupper"),
    #[cfg(target_arch = "x86_64")]
    peak!(Avx512, Fused, "vfmadd", 16, "vfmadd231ps zmm\\r, zmm14, zmm15"; "vzeroupper"),
    #[cfg(target_arch = "x86_64")]
    peak!(Avx512, Unfused, "vmulps vaddps", 16,
        "vmulps zmm12, zmm14, zmm15", "vaddps zmm\\r, zmm\\r, zmm12"; "vzeroupper"),
    #[cfg(target_arch = "x86_64")]
    peak!(Avx512Vnni, Int8, "vpdpbusd", 64, "vpdpbusd zmm\\r, zmm14, zmm15"; "vzeroupper"),
    #[cfg(target_arch = "x86_64")]
    Peak {
        isa: Isa::Amx,
        products: Products::Int8,
        instructions: "tdpbusd",
        macs: isa::amx::PEAK_MACS,
        pass: isa::amx::peak,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    #[test]
    fn every_convolution_but_the_portable_ones_has_a_peak() {
        let convolutions = (registry::all()).filter(|kernel| kernel.name.starts_with("conv_"));
        for kernel in convolutions.filter(|kernel| kernel.isa != Isa::Scalar) {
            let products = match kernel.exactness.fused {
                _ if kernel.name.starts_with("conv_int8") => Products::Int8,
                true => Products::Fused,
                false => Products::Unfused,
            };
            let fits = |peak: &&Peak| (peak.isa, peak.products) == (kernel.isa, products);
            assert_eq!(PEAKS.iter().filter(fits).count(), 1, "{}", kernel.name);
        }
    }

    #[test]
    fn what_this_processor_can_do_is_measured() {
        for peak in peaks(Cpu::detect()) {
            let rate = peak.macs_per_second();
            assert!((1e7..1e14).contains(&rate), "{peak:?}: {rate}");
        }
        assert_eq!(peaks(Cpu::detect().capped(Isa::Scalar)).count(), 0);
    }
}
