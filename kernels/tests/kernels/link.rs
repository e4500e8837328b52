//! Link functions: close to the definition, and the same bits from every kernel.

use std::fmt;

use endocast_kernels::contract::{Link, LinkArgs, Plane, PlaneMut, PlaneShape};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry::{self, LinkKernel};

use super::guarded::{Guarded, Placement};
use super::numbers::{Fill, Numbers};
use super::output::equal;
use super::{Test, blame, fills, selected};

#[derive(Clone)]
struct Case {
    height: usize,
    width: usize,
    /// Values of a voxel side by side in the input.
    lanes: usize,
    channels: usize,
    /// Of input and output.
    halos: [usize; 2],
    link: Link,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} of {} x {} of {} channels in {}, halos {:?}",
            self.link, self.height, self.width, self.channels, self.lanes, self.halos
        )
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (height, width) in [(1, 1), (2, 15), (1, 64), (3, 67), (1, 200)] {
        for (lanes, channels) in [(1, 1), (1, 2), (1, 3), (1, 17), (16, 1), (16, 3), (16, 18)] {
            for halos in [[0, 0], [1, 0], [0, 2]] {
                for link in [Link::Identity, Link::Sigmoid, Link::Softmax] {
                    cases.push(Case {
                        height,
                        width,
                        lanes,
                        channels,
                        halos,
                        link,
                    });
                }
            }
        }
    }
    cases
}

/// From inputs of -1 to 1 to what networks end with.
const GAIN: f32 = 40.0;

fn check(kernel: &LinkKernel, peer: &LinkKernel, case: &Case, fill: Fill) -> Result<(), String> {
    let [from, to] = case.halos.map(|halo| PlaneShape {
        height: case.height,
        width: case.width,
        halo,
    });
    let mut values =
        Numbers::new(fill, case).plane(from, case.channels.div_ceil(case.lanes), case.lanes);
    values.iter_mut().for_each(|value| *value *= GAIN);
    let run = |kernel: &LinkKernel, placement| {
        let values = Guarded::new(&values, placement);
        let canaries = vec![f32::MAX; case.channels * to.area()];
        let mut out = Guarded::new(&canaries, placement);
        let mut args = LinkArgs {
            input: Plane {
                data: &values,
                halo: case.halos[0],
            },
            lanes: case.lanes,
            channels: case.channels,
            height: case.height,
            width: case.width,
            link: case.link,
            out: PlaneMut {
                data: &mut out,
                halo: case.halos[1],
            },
        };
        let expected = reference::link(&args);
        kernel.run(&mut args);
        (out, expected)
    };
    let (found, mut expected) = run(kernel, Placement::End);
    for channel in (0..case.channels).rev() {
        for row in (0..case.height).rev() {
            let first = channel * to.area() + to.voxel(row, 0);
            let found = &found[first..][..case.width];
            let expected = expected.split_off(expected.len() - case.width);
            for (column, (&found, expected)) in found.iter().zip(expected).enumerate() {
                let error = (f64::from(found) - expected.value).abs();
                // The smallest probabilities are no normal numbers.
                let bound =
                    (kernel.exactness).bound(8, expected.magnitude) + f64::from(f32::MIN_POSITIVE);
                if error.is_nan() || error > bound {
                    return Err(format!(
                        "channel {channel} row {row} column {column}: {found:e} instead of {:e}",
                        expected.value
                    ));
                }
            }
        }
    }
    let written = found.iter().filter(|&&value| value != f32::MAX).count();
    if written != case.channels * case.height * case.width {
        return Err(format!("{written} values written"));
    }
    equal(&run(peer, Placement::End).0, &found, "its equal")?;
    for placement in Placement::ALL {
        equal(&run(kernel, placement).0, &found, "it elsewhere in memory")?;
    }
    Ok(())
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for kernel in registry::link_kernels(cpu) {
        let peer = registry::link_kernels(cpu).last().expect("itself");
        for fill in fills() {
            let test = move || {
                selected(cases(), fill).try_for_each(|case| {
                    check(kernel, peer, &case, fill)
                        .map_err(|error| blame(&fill.to_string(), &case, error))
                })
            };
            tests.push((format!("{}::{fill}", kernel.name), Box::new(test)));
        }
    }
    tests
}
