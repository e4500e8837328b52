//! `endocast selftest`: is this program, on this machine, in order?

use std::sync::Arc;

use endocast::exec::Session;
use endocast::kernels::cpu::{Cpu, Isa};
use endocast::plan::{Options, Plan};
use endocast::weights::Model;

use super::{Failure, cpu, model};

/// Command line of `selftest`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Choice,
}

/// Edge of the test image's grid: small, but a multiple of what the networks' strides need.
const EDGE: usize = 32;
/// How far probabilities may differ between instruction sets.
const TOLERANCE: f32 = 1e-4;

/// Compares every usable instruction set with the portable kernels, on one and on three threads.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cpu = cpu()?;
    let model = arguments.model.open()?;
    let name = model.name().to_string();
    model
        .verify_payload()
        .map_err(|cause| Failure::model(&name, cause))?;
    outln!("{name}: checksum good");
    let model = Arc::new(model);
    let expected = probabilities(&model, cpu.capped(Isa::Scalar), 1)?;
    for isa in cpu.isas() {
        let found = probabilities(&model, cpu.capped(isa), 1)?;
        let pairs = expected.iter().zip(&found);
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if worst > TOLERANCE || found.iter().any(|value| !value.is_finite()) {
            let cause = format!("{isa} kernels are off by {worst:e}, more than {TOLERANCE:e}");
            return Err(Failure::model(&name, cause));
        }
        if probabilities(&model, cpu.capped(isa), 3)? != found {
            return Err(Failure::model(
                &name,
                format!("{isa} kernels depend on the thread count"),
            ));
        }
        outln!("{isa}: good, within {worst:.1e} of the portable kernels");
    }
    Ok(())
}

/// The network's answer to a bright ball with a fine pattern.
fn probabilities(model: &Arc<Model>, cpu: Cpu, threads: usize) -> Result<Vec<f32>, Failure> {
    let failed = |cause: String| Failure::model(model.name(), cause);
    let options = Options {
        threads,
        policy: cpu.into(),
    };
    let plan = Plan::new(model.graph(), [EDGE; 3], options).map_err(|e| failed(e.to_string()))?;
    let mut session = Session::new(model.clone(), plan).map_err(|e| failed(e.to_string()))?;
    let image: Vec<f32> = (0..session.image_len())
        .map(|index| {
            let [x, y, z] = [
                index % EDGE,
                index / EDGE % EDGE,
                index / EDGE / EDGE % EDGE,
            ];
            let squared: usize = [x, y, z]
                .map(|at| at.abs_diff(EDGE / 2).pow(2))
                .iter()
                .sum();
            let pattern = ((x * 7 + y * 5 + z * 3) % 11) as f32 / 44.0;
            if squared < (EDGE / 3).pow(2) {
                0.6 + pattern
            } else {
                pattern / 4.0
            }
        })
        .collect();
    let mut result = vec![0.0; session.result_len()];
    session
        .run(&image, &mut result)
        .map_err(|e| failed(e.to_string()))?;
    Ok(result)
}
