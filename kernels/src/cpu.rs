//! Which instruction sets this processor has, and which of them may be used.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "x86_64")]
use crate::isa;

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;

/// An instruction set that kernels are written for, poorest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Portable code.
    Scalar,
    /// The 128-bit vectors of WebAssembly.
    Simd128,
    /// The baseline of x86-64.
    Sse2,
    /// SSSE3, for products of bytes.
    Ssse3,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX2 with 256-bit dot products of bytes.
    AvxVnni,
    /// AVX-512 F, BW, VL and DQ.
    Avx512,
    /// AVX-512 with dot products of bytes.
    Avx512Vnni,
    /// AVX-512 with dot products of bytes, and tiles with products of bytes.
    Amx,
}

impl Isa {
    /// Every instruction set, poorest first.
    pub const ALL: [Isa; 9] = [
        Isa::Scalar,
        Isa::Simd128,
        Isa::Sse2,
        Isa::Ssse3,
        Isa::Avx2,
        Isa::AvxVnni,
        Isa::Avx512,
        Isa::Avx512Vnni,
        Isa::Amx,
    ];

    /// The word used in kernel names and by the command line.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Simd128 => "simd128",
            Isa::Sse2 => "sse2",
            Isa::Ssse3 => "ssse3",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512 => "avx512",
            Isa::Avx512Vnni => "avx512vnni",
            Isa::Amx => "amx",
        }
    }

    /// Whether the processor has it and the operating system saves its registers.
    fn detected(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Isa::Scalar | Isa::Sse2 => true,
            Isa::Simd128 => false,
            Isa::Ssse3 => is_x86_feature_detected!("ssse3"),
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            Isa::AvxVnni => Isa::Avx2.detected() && is_x86_feature_detected!("avxvnni"),
            Isa::Avx512 => {
                Isa::Avx2.detected()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
            }
            Isa::Avx512Vnni => Isa::Avx512.detected() && is_x86_feature_detected!("avx512vnni"),
            Isa::Amx => Isa::Avx512Vnni.detected() && isa::amx::usable(),
        };
        // A module that has such instructions is not even loaded where they are absent.
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return matches!(self, Isa::Scalar | Isa::Simd128);
        #[cfg(not(any(
            target_arch = "x86_64",
            all(target_arch = "wasm32", target_feature = "simd128")
        )))]
        return self == Isa::Scalar;
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = String;

    fn from_str(word: &str) -> Result<Isa, String> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name() == word)
            .ok_or_else(|| {
                let names: Vec<_> = Isa::ALL.iter().map(|isa| isa.name()).collect();
                format!(
                    "unknown instruction set '{word}': expected one of {}",
                    names.join(", ")
                )
            })
    }
}

/// The instruction sets that kernels may use: proof that this processor has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    present: u32,
}

impl Cpu {
    /// Asks the processor.
    pub fn detect() -> Cpu {
        let present = Isa::ALL.into_iter().filter(|isa| isa.detected());
        Cpu {
            present: present.fold(0, |bits, isa| bits | 1 << isa as u32),
        }
    }

    /// The same processor without anything richer than `cap`; never adds an instruction set.
    #[must_use]
    pub fn capped(self, cap: Isa) -> Cpu {
        Cpu {
            present: self.present & ((2 << cap as u32) - 1),
        }
    }

    /// Whether kernels for `isa` may run.
    pub fn has(self, isa: Isa) -> bool {
        self.present & 1 << isa as u32 != 0
    }

    /// The usable instruction sets, poorest first.
    pub fn isas(self) -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(move |&isa| self.has(isa))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_only_removes() {
        let cpu = Cpu::detect();
        for cap in Isa::ALL {
            let capped = cpu.capped(cap);
            assert!(capped.has(Isa::Scalar));
            assert!(
                Isa::ALL
                    .iter()
                    .all(|&isa| capped.has(isa) == (cpu.has(isa) && isa <= cap))
            );
        }
    }

    #[test]
    fn names_round_trip() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse::<Isa>(), Ok(isa));
        }
        assert!(
            "avx3"
                .parse::<Isa>()
                .unwrap_err()
                .contains("scalar, simd128, sse2")
        );
    }
}
