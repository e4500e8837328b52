//! `endocast explain`: the plan for this machine.

use endocast::kernels::registry;
use endocast::plan::{Options, Plan};

use super::threads::Threads;
use super::{Failure, cpu, model};

/// Command line of `explain`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Choice,
    /// Edge of the cubic grid, in voxels; by default the model's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    grid: Option<u16>,
    #[command(flatten)]
    threads: Threads,
    /// List every kernel in this program instead
    #[arg(long)]
    kernels: bool,
}

/// Prints the explanation.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cpu = cpu()?;
    let usable: Vec<_> = cpu.isas().map(|isa| isa.name()).collect();
    outln!("instruction sets: {}", usable.join(" "));
    if arguments.kernels {
        for kernel in registry::all() {
            let use_of = if cpu.has(kernel.isa) {
                "usable"
            } else {
                "not usable"
            };
            outln!("{:36} {:8} {use_of}", kernel.name, kernel.isa);
        }
        return Ok(());
    }
    let model = arguments.model.open()?;
    let edge = arguments
        .grid
        .map_or(model.preprocessing().route.grid(), usize::from);
    let options = Options {
        threads: arguments.threads.count(),
        policy: cpu.into(),
    };
    let plan = Plan::new(model.graph(), [edge; 3], options)
        .map_err(|cause| Failure::plan(model.name(), cause))?;
    out!("{plan}");
    Ok(())
}
