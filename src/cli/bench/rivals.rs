//! Every registered convolution kernel on every shape of the network.

use std::sync::Arc;
use std::time::Duration;

use endocast::kernels::registry;
use endocast::plan::{Options, Plan};
use endocast::weights::Model;
use rayon::ThreadPool;

use super::super::Failure;
use super::measure::{Conv, Layer, measure};

/// A kernel that makes the network this many times as slow is timed once only.
const PATIENCE: u32 = 4;

/// A kernel on the layers of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Rival {
    pub conv: Conv,
    /// The shortest times of the layers, added up.
    pub time: Duration,
}

/// The layers of one shape and the kernels that can run them.
pub struct Shape {
    pub layers: Vec<String>,
    /// The chosen one first, then the others, fastest first.
    pub rivals: Vec<Rival>,
}

impl Shape {
    /// How much more time the chosen kernel takes than the fastest one, in percent.
    pub fn excess(&self) -> f64 {
        let best = self.rivals.iter().map(|rival| rival.time).min();
        let best = best.unwrap_or_default().as_secs_f64();
        (self.rivals[0].time.as_secs_f64() / best - 1.0) * 100.0
    }
}

/// Runs the network as planned, then once for every kernel with that kernel wherever it can run.
pub fn compare(
    model: &Arc<Model>,
    edge: usize,
    options: Options,
    pool: &ThreadPool,
    runs: usize,
) -> Result<Vec<Shape>, Failure> {
    let failed = |cause| Failure::plan(model.name(), cause);
    let planned = |preferred| {
        let mut options = options;
        options.policy.preferred = preferred;
        Plan::new(model.graph(), [edge; 3], options).map_err(failed)
    };
    let chosen = measure(model, planned(None)?, pool, runs, Duration::MAX)?;
    let patience = chosen.totals[0] * PATIENCE;
    let chosen = chosen.layers;
    let mut rivals: Vec<Vec<Rival>> = chosen.iter().map(|_| Vec::new()).collect();
    enter(&mut rivals, &chosen);
    let single = registry::conv_kernels(options.policy).map(|kernel| kernel.name);
    let int8 = registry::conv_int8_kernels(options.policy).map(|kernel| kernel.name);
    for name in single.chain(int8) {
        let plan = planned(Some(name))?;
        if plan.convs.iter().flatten().any(|conv| conv.name() == name) {
            enter(
                &mut rivals,
                &measure(model, plan, pool, runs, patience)?.layers,
            );
        }
    }
    Ok(shapes(&chosen, rivals))
}

/// Enters the kernels of one measurement, each with its shortest time so far.
fn enter(rivals: &mut [Vec<Rival>], layers: &[Layer]) {
    for (rivals, layer) in rivals.iter_mut().zip(layers) {
        let (Some(conv), time) = (layer.conv, layer.times[0]) else {
            continue;
        };
        match (rivals.iter_mut()).find(|rival| rival.conv.kernel == conv.kernel) {
            Some(rival) => rival.time = rival.time.min(time),
            None => rivals.push(Rival { conv, time }),
        }
    }
}

/// Adds up the layers that look alike to the dispatcher.
fn shapes(layers: &[Layer], rivals: Vec<Vec<Rival>>) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for (layer, rivals) in layers.iter().zip(rivals) {
        let Some(chosen) = rivals.first() else {
            continue;
        };
        let is_alike = |shape: &&mut Shape| {
            let other = shape.rivals[0].conv;
            (other.problem, other.kernel) == (chosen.conv.problem, chosen.conv.kernel)
        };
        match shapes.iter_mut().find(is_alike) {
            Some(shape) => {
                shape.layers.push(layer.name.clone());
                for (sum, rival) in shape.rivals.iter_mut().zip(rivals) {
                    sum.time += rival.time;
                    sum.conv.macs += rival.conv.macs;
                }
            }
            None => shapes.push(Shape {
                layers: vec![layer.name.clone()],
                rivals,
            }),
        }
    }
    for shape in &mut shapes {
        shape.rivals[1..].sort_by_key(|rival| rival.time);
    }
    shapes
}

#[cfg(test)]
pub mod tests {
    use endocast::kernels::contract::ConvProblem;
    use endocast::kernels::cpu::Isa;
    use endocast::kernels::peak::Products;

    use super::*;

    fn layer(name: &str, kernel: &'static str, width: usize, millis: [u64; 2]) -> Layer {
        let problem = ConvProblem {
            kernel: 3,
            stride: 1,
            dilation: 1,
            inputs: 1,
            planar: false,
            outputs: 1,
            depth: 8,
            height: 8,
            width,
        };
        Layer {
            name: name.into(),
            conv: Some(Conv {
                problem,
                kernel,
                isa: Isa::Scalar,
                products: Products::Unfused,
                macs: 100,
            }),
            bytes: 0,
            times: millis.map(Duration::from_millis).into(),
        }
    }

    /// Two layers of one shape, whose choice takes 38 ms and the best kernel 20 ms, and one whose choice
    /// is the best.
    pub fn shapes_of_two_choices() -> Vec<Shape> {
        let runs = [
            [("a", [30, 90]), ("a", [10, 90]), ("a", [7, 90])],
            [("b", [40, 90]), ("b", [30, 90]), ("a", [9, 90])],
            [("c", [10, 90]), ("c", [10, 90]), ("c", [14, 90])],
            [("a", [28, 90]), ("a", [12, 90]), ("a", [8, 90])],
        ];
        let names = ["first", "second", "third"];
        let measured = runs.map(|run| {
            let layers = run.iter().zip(names).zip([8, 8, 4]);
            let layers =
                layers.map(|((&(kernel, times), name), width)| layer(name, kernel, width, times));
            layers.collect::<Vec<_>>()
        });
        let mut rivals = vec![Vec::new(); 3];
        for layers in &measured {
            enter(&mut rivals, layers);
        }
        shapes(&measured[0], rivals)
    }

    #[test]
    fn layers_of_one_shape_add_up_and_the_choice_is_held_against_the_best() {
        let shapes = shapes_of_two_choices();
        let found: Vec<_> = (shapes.iter())
            .map(|shape| {
                let times = shape.rivals.iter();
                let times = times.map(|rival| (rival.conv.kernel, rival.time.as_millis()));
                (shape.layers.join(" "), times.collect::<Vec<_>>())
            })
            .collect();
        let expected = [
            (
                "first second".to_string(),
                vec![("a", 38), ("c", 20), ("b", 70)],
            ),
            ("third".to_string(), vec![("a", 7), ("c", 14)]),
        ];
        assert_eq!(found, expected);
        let excesses = shapes.iter().map(|shape| shape.excess().round());
        assert_eq!(excesses.collect::<Vec<_>>(), [90.0, 0.0]);
    }
}
