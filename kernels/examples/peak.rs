//! Multiply-accumulates per second that one core can do at best, by instruction set.
//!
//!     cargo run --release -p endocast-kernels --example peak

use endocast_kernels::cpu::Cpu;
use endocast_kernels::peak::peaks;

fn main() {
    for peak in peaks(Cpu::detect()) {
        println!(
            "{:12}{:8}{:28}{:7.1} GMAC/s",
            peak.isa.to_string(),
            format!("{:?}", peak.products).to_lowercase(),
            peak.instructions,
            peak.macs_per_second() * 1e-9
        );
    }
}
