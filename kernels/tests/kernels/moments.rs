//! Sums and sums of squares. Squares are exact in `f64` and the order of the sums is part of the
//! contract, so that every kernel returns the reference's own bits.

use std::fmt;

use endocast_kernels::contract::{LANES, MomentsArgs, Plane, PlaneShape};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry::{self, MomentsKernel};

use super::guarded::{Guarded, Placement};
use super::numbers::{Fill, Numbers};
use super::{Test, blame, fills, selected};

#[derive(Clone)]
struct Case {
    shape: PlaneShape,
    blocks: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} blocks", self.shape, self.blocks)
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (height, width) in [(1, 1), (1, 40), (2, 7), (3, 5), (5, 33)] {
        for halo in [0, 1, 4] {
            cases.extend([1, 3].map(|blocks| Case {
                shape: PlaneShape {
                    height,
                    width,
                    halo,
                },
                blocks,
            }));
        }
    }
    cases
}

fn check(kernel: &MomentsKernel, case: &Case, fill: Fill) -> Result<(), String> {
    let plane = Numbers::new(fill, case).plane(case.shape, case.blocks, LANES);
    for placement in Placement::ALL {
        let input = Guarded::new(&plane, placement);
        let blank = vec![f64::NAN; case.blocks * LANES];
        let [mut sums, mut squares] = [(); 2].map(|()| Guarded::new(&blank, placement));
        let mut args = MomentsArgs {
            input: Plane {
                data: &input,
                halo: case.shape.halo,
            },
            height: case.shape.height,
            width: case.shape.width,
            blocks: case.blocks,
            sums: &mut sums,
            squares: &mut squares,
        };
        let expected = reference::moments(&args);
        kernel.run(&mut args);
        for (found, expected) in [(&sums, expected.0), (&squares, expected.1)] {
            if !(found.iter().zip(&expected)).all(|(a, b)| a.to_bits() == b.to_bits()) {
                return Err(format!("{:?} instead of {expected:?}", &**found));
            }
        }
    }
    Ok(())
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for kernel in registry::moments_kernels(cpu) {
        for fill in fills() {
            let test = move || {
                selected(cases(), fill).try_for_each(|case| {
                    check(kernel, &case, fill)
                        .map_err(|error| blame(&fill.to_string(), &case, error))
                })
            };
            tests.push((format!("{}::{fill}", kernel.name), Box::new(test)));
        }
    }
    tests
}
