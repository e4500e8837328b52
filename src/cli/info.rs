//! `endocast info`: what a model file holds.

use endocast::weights::{Op, roles};

use super::{Failure, model};

/// Command line of `info`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Choice,
    /// Also list the layers
    #[arg(long)]
    layers: bool,
}

/// Prints the description.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = arguments.model.open()?;
    let graph = model.graph();
    let nodes = graph.nodes().iter();
    let convolutions = nodes.filter(|node| matches!(node.op, Op::Conv { .. }));
    let int8 = (0..graph.nodes().len()).filter(|&node| graph.quantisation(node).is_some());
    outln!("name           {}", model.name());
    for key in [
        "format_version",
        "license",
        "tool",
        "source_sha256",
        "payload_sha256",
    ] {
        outln!("{key:14} {}", model.metadata(key).unwrap_or("-"));
    }
    outln!("preprocessing  {}", model.preprocessing());
    outln!("file           {} bytes", model.file_len());
    outln!(
        "layers         {}, {} of them convolutions, {} of these int8",
        graph.nodes().len(),
        convolutions.count(),
        int8.count()
    );
    outln!("parameters     {}", parameters(&model));
    model
        .verify_payload()
        .map_err(|cause| Failure::model(model.name(), cause))?;
    outln!("checksum       good");
    if arguments.layers {
        out!("{graph}");
    }
    Ok(())
}

/// Numbers other than zero.
fn parameters(model: &endocast::weights::Model) -> usize {
    let graph = model.graph();
    let count = |node: usize| {
        let singles = roles(graph, node).iter().filter_map(|&role| {
            let values = model.tensor(node, role)?;
            Some(values.iter().filter(|value| **value != 0.0).count())
        });
        let int8 = model.int8_weights(node).unwrap_or_default().iter();
        singles.sum::<usize>() + int8.filter(|weight| **weight != 0).count()
    };
    (0..graph.nodes().len()).map(count).sum()
}
