//! Multiply-accumulates per second that one core can do at best, by instruction set: what the
//! throughputs of the convolution kernels are shares of.
//!
//!     cargo run --release -p endocast-kernels --example peak

#[cfg(target_arch = "x86_64")]
fn main() {
    use std::arch::asm;
    use std::hint::black_box;
    use std::time::Instant;

    use endocast_kernels::cpu::{Cpu, Isa};

    const ROUNDS: u64 = 400_000;
    /// Independent sums, enough to hide every latency.
    const SUMS: u64 = 12;

    let cpu = Cpu::detect();
    macro_rules! peak {
        ($isa:expr, $what:literal, $macs:literal, $($step:literal),+; $end:literal) => {
            if cpu.has($isa) {
                let seconds = (0..100).map(|_| {
                    let start = Instant::now();
                    // SAFETY: register arithmetic in an instruction set that is present, on
                    // registers that are declared as overwritten.
                    unsafe {
                        asm!(
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
                            rounds = inout(reg) black_box(ROUNDS) => _,
                            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                            options(nomem, nostack)
                        );
                    }
                    start.elapsed().as_secs_f64()
                });
                let best = seconds.fold(f64::INFINITY, f64::min);
                let rate = (ROUNDS * SUMS * $macs) as f64 / best / 1e9;
                println!("{:12}{:32}{rate:7.1} GMAC/s", $isa.to_string(), $what);
            }
        };
    }
    peak!(Isa::Sse2, "f32, mulps addps", 4,
        "movaps xmm12, xmm14", "mulps xmm12, xmm15", "addps xmm\\r, xmm12"; "");
    peak!(Isa::Avx2, "f32, vfmadd", 8, "vfmadd231ps ymm\\r, ymm14, ymm15"; "vzeroupper");
    peak!(Isa::Avx512, "f32, vfmadd", 16, "vfmadd231ps zmm\\r, zmm14, zmm15"; "vzeroupper");
    peak!(Isa::Sse2, "int8, pmaddwd paddd", 8,
        "movdqa xmm12, xmm14", "pmaddwd xmm12, xmm15", "paddd xmm\\r, xmm12"; "");
    peak!(Isa::Ssse3, "int8, pmaddubsw pmaddwd paddd", 16,
        "movdqa xmm12, xmm14", "pmaddubsw xmm12, xmm15", "pmaddwd xmm12, xmm15",
        "paddd xmm\\r, xmm12"; "");
    peak!(Isa::Avx2, "int8, vpmaddubsw vpmaddwd vpaddd", 32,
        "vpmaddubsw ymm12, ymm14, ymm15", "vpmaddwd ymm12, ymm12, ymm15",
        "vpaddd ymm\\r, ymm\\r, ymm12"; "vzeroupper");
    peak!(Isa::AvxVnni, "int8, vpdpbusd", 32, "{{vex}} vpdpbusd ymm\\r, ymm14, ymm15"; "vzeroupper");
    peak!(Isa::Avx512Vnni, "int8, vpdpbusd", 64, "vpdpbusd zmm\\r, zmm14, zmm15"; "vzeroupper");
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("peaks are known for x86-64 only");
}
