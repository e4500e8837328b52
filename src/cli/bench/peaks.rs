//! What the processor's instructions could do at best, measured here and now.

use endocast::kernels::cpu::{Cpu, Isa};
use endocast::kernels::peak::{self, Peak, Products};
use rayon::ThreadPool;

use super::measure::Conv;

/// Multiply-accumulates per second of one thread while all of them multiply, poorest instructions first.
pub struct Peaks(pub Vec<(&'static Peak, f64)>);

impl Peaks {
    /// Measures the peak of each of `convs` on all threads of `pool` at once.
    pub fn measure(convs: &[Conv], cpu: Cpu, pool: &ThreadPool) -> Peaks {
        let used = peak::peaks(cpu).filter(|peak| {
            let is_its = |conv: &Conv| (conv.isa, conv.products) == (peak.isa, peak.products);
            convs.iter().any(is_its)
        });
        let measured = used.map(|peak| {
            let rates = pool.broadcast(|_| peak.macs_per_second());
            (peak, rates.iter().sum::<f64>() / rates.len() as f64)
        });
        Peaks(measured.collect())
    }

    /// Multiply-accumulates per second; `None` for portable code.
    pub fn of(&self, isa: Isa, products: Products) -> Option<f64> {
        let mut peaks = self.0.iter();
        let found = peaks.find(|(peak, _)| (peak.isa, peak.products) == (isa, products));
        found.map(|(_, rate)| *rate)
    }
}
