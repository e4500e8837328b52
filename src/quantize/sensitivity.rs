//! Which convolutions to leave in single precision: OpenVINO's accuracy-aware procedure.
//!
//! Every convolution alone is put back into single precision, and how much of the loss that takes away
//! ranks it. Then they are put back one after the other, in that order, until the loss is small enough.

use std::collections::BTreeSet;

use super::Error;
use super::agreement::{Agreement, Judge};
use super::layer::Layer;

/// Scans that the ranking looks at.
const RANKING_SCANS: usize = 4;

/// What a convolution in int8 costs: what is regained when it alone is in single precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// Mean Dice.
    pub dice: f64,
    /// Mean distance of surfaces, in voxels of the network's grid.
    pub distance: f64,
}

/// Makes the model file in which the given nodes are put back.
pub(super) type Build<'a> = dyn Fn(&BTreeSet<usize>) -> Result<Vec<u8>, Error> + 'a;

/// What was put back.
pub(super) struct Decision {
    /// Graph nodes, in that order.
    pub reverted: Vec<usize>,
    /// Agreement of the resulting model.
    pub agreement: Agreement,
}

impl Decision {
    /// Everything stays in int8.
    pub fn none(all_int8: &Agreement) -> Decision {
        Decision {
            reverted: Vec::new(),
            agreement: *all_int8,
        }
    }
}

/// Measures the sensitivity of all `layers`, and puts back what must be for a mean loss of Dice of
/// at most `max_drop`.
pub(super) fn revert(
    layers: &mut [Layer],
    all_int8: &Agreement,
    max_drop: f64,
    judge: &Judge,
    build: &Build,
    progress: &(dyn Fn(&str, usize, usize) + Sync),
) -> Result<Decision, Error> {
    let some = judge.judge(&build(&BTreeSet::new())?, RANKING_SCANS)?;
    let count = layers.len();
    for (done, layer) in layers.iter_mut().enumerate() {
        let without = judge.judge(&build(&BTreeSet::from([layer.node]))?, RANKING_SCANS)?;
        layer.sensitivity = Some(Sensitivity {
            dice: without.dice - some.dice,
            distance: some.distance - without.distance,
        });
        progress("ranking layers", done + 1, count);
    }
    let mut decision = Decision::none(all_int8);
    let mut ranked: Vec<usize> = (0..count).collect();
    let gain = |layer: usize| layers[layer].sensitivity.map_or(0.0, |s| share(&s, &some));
    ranked.sort_by(|&a, &b| gain(b).total_cmp(&gain(a)));
    for layer in ranked {
        if decision.agreement.drop() <= max_drop {
            break;
        }
        layers[layer].reverted = true;
        decision.reverted.push(layers[layer].node);
        let reverted = decision.reverted.iter().copied().collect();
        decision.agreement = judge.judge(&build(&reverted)?, usize::MAX)?;
        progress("reverting layers", decision.reverted.len(), count);
    }
    Ok(decision)
}

/// Share of the `loss` that is regained, of Dice and of distance alike.
fn share(regained: &Sensitivity, loss: &Agreement) -> f64 {
    let of = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    of(regained.dice, loss.drop()) + of(regained.distance, loss.distance)
}
