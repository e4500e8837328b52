//! `endocast extract`: head scans in, their brains out.

mod arguments;
mod batch;
mod estimate;
mod inputs;
mod memory;
mod names;
mod outputs;
mod products;
mod report;
mod sidecar;
mod worker;

use super::Failure;
pub use arguments::{Arguments, Fill, MAX_BORDER_MM, Series, Settings};
pub use batch::{Job, run as run_batch};
pub use outputs::Outputs;
use outputs::expand;

/// Extracts the brains of the scans that the command line names.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = inputs::gather(&arguments.inputs, arguments.list.as_deref())?;
    let jobs: Result<Vec<_>, _> = inputs
        .into_iter()
        .map(|input| {
            let outputs = Outputs::new(&arguments.templates, &input)?;
            let source = input.display().to_string();
            let channels = arguments.channels.iter();
            let channels = channels.map(|name| expand(name, &input)).collect();
            Ok(Job {
                input,
                channels,
                source,
                outputs,
            })
        })
        .collect();
    run_batch(jobs?, arguments.shard, &arguments.settings)
}
