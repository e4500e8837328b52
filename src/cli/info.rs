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
    let convolutions = graph
        .nodes()
        .iter()
        .filter(|node| matches!(node.op, Op::Conv { .. }));
    println!("name           {}", model.name());
    for key in [
        "format_version",
        "license",
        "tool",
        "source_sha256",
        "payload_sha256",
    ] {
        println!("{key:14} {}", model.metadata(key).unwrap_or("-"));
    }
    println!("preprocessing  {}", model.preprocessing());
    println!("file           {} bytes", model.file_len());
    println!(
        "layers         {}, {} of them convolutions",
        graph.nodes().len(),
        convolutions.count()
    );
    println!("parameters     {}", parameters(&model));
    model
        .verify_payload()
        .map_err(|cause| Failure::model(model.name(), cause))?;
    println!("checksum       good");
    if arguments.layers {
        print!("{graph}");
    }
    Ok(())
}

fn parameters(model: &endocast::weights::Model) -> usize {
    let nodes = model.graph().nodes().iter().enumerate();
    nodes
        .flat_map(|(index, node)| roles(&node.op).iter().map(move |&role| (index, role)))
        .filter_map(|(index, role)| model.tensor(index, role))
        .map(|values| values.iter().filter(|value| **value != 0.0).count())
        .sum()
}
