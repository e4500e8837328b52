//! The convolutions that the shipped network consists of.

use std::path::Path;

use endocast::kernels::contract::ConvProblem;
use endocast::plan::{Options, Plan};
use endocast::weights::Model;

/// Edges of the grids that the network is planned on.
const EDGES: [usize; 2] = [96, 128];

/// Every distinct convolution, in the order in which the network meets it.
pub fn shapes() -> Vec<ConvProblem> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/endocast.model");
    let bytes = std::fs::read(path).expect("the shipped model");
    let model = Model::from_bytes(&bytes).expect("the shipped model");
    let mut shapes = Vec::new();
    for edge in EDGES {
        let plan = Plan::new(model.graph(), [edge; 3], Options::default()).expect("a plan");
        for conv in plan.convs.iter().flatten() {
            if !shapes.contains(&conv.problem) {
                shapes.push(conv.problem);
            }
        }
    }
    shapes
}
