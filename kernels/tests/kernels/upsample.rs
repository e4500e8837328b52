//! Interpolation.

use std::fmt;

use endocast_kernels::contract::{LANES, PlaneShape, Tap, UpsampleArgs, upsample_taps};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry::{self, UpsampleKernel};

use super::guarded::{Guarded, Placement};
use super::numbers::{Fill, Numbers};
use super::output::{Form, Out, Tolerance, compare, equal, quantised};
use super::{Test, blame, fills, selected};

/// As the reference promises.
const ROUNDINGS: usize = 10;

#[derive(Clone)]
struct Case {
    shape: PlaneShape,
    blocks: usize,
    factor: usize,
    fraction: f32,
    slope: f32,
    halo: usize,
}

impl Case {
    fn out(&self) -> PlaneShape {
        PlaneShape {
            height: self.shape.height * self.factor,
            width: self.shape.width * self.factor,
            halo: self.halo,
        }
    }

    /// Calls `run` with the arguments of the case; returns its result and the output plane.
    fn with_args<R>(
        &self,
        fill: Fill,
        placement: Placement,
        form: Form,
        poison: f32,
        run: impl FnOnce(&mut UpsampleArgs) -> R,
    ) -> (R, Out) {
        let mut numbers = Numbers::new(fill, self);
        let planes = [(); 2].map(|()| {
            let plane = numbers.plane(self.shape, self.blocks, LANES);
            Guarded::new(&plane, placement)
        });
        let far = usize::from(self.fraction != 0.0);
        let [rows, columns] = [self.shape.height, self.shape.width].map(|len| {
            let taps: Vec<Tap> = upsample_taps(len, self.factor).collect();
            Guarded::new(&taps, placement)
        });
        let mut out = Out::new(self.out(), self.blocks, placement, form);
        let scratch = vec![poison; self.shape.width * LANES];
        let result = run(&mut UpsampleArgs {
            planes: [&planes[0], &planes[far]],
            shape: self.shape,
            blocks: self.blocks,
            fraction: self.fraction,
            rows: &rows,
            columns: &columns,
            slope: self.slope,
            out: out.store(self.halo),
            scratch: &mut Guarded::new(&scratch, placement),
        });
        (result, out)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} of {} blocks times {}, fraction {}, slope {}, halo {}",
            self.shape, self.blocks, self.factor, self.fraction, self.slope, self.halo
        )
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for factor in [1, 2, 3, 4, 5] {
        for (height, width) in [(1, 1), (1, 6), (2, 2), (3, 7), (5, 16)] {
            for (fraction, slope) in [(0.0, 1.0), (0.25, 0.01), (0.998, 0.0)] {
                cases.push(Case {
                    shape: PlaneShape {
                        height,
                        width,
                        halo: factor % 3,
                    },
                    blocks: 1 + width % 3,
                    factor,
                    fraction,
                    slope,
                    halo: height % 3,
                });
            }
        }
    }
    cases
}

fn check(
    kernel: &UpsampleKernel,
    peer: &UpsampleKernel,
    case: &Case,
    fill: Fill,
) -> Result<(), String> {
    let run = |kernel: &UpsampleKernel, placement, form, poison| {
        let run = |args: &mut UpsampleArgs| kernel.run(args);
        case.with_args(fill, placement, form, poison, run).1
    };
    let by_definition = |args: &mut UpsampleArgs| reference::upsample(args);
    let (expected, _) = case.with_args(fill, Placement::End, Form::F32, 0.0, by_definition);
    let found = run(kernel, Placement::End, Form::F32, f32::NAN).values();
    let tolerance = Tolerance {
        exactness: kernel.exactness,
        roundings: ROUNDINGS,
        absolute: 0.0,
    };
    compare(&found, case.out(), 0..case.blocks, &expected, tolerance)?;
    equal(
        &found,
        &run(peer, Placement::End, Form::F32, 1e30).values(),
        "its equal",
    )?;
    for (placement, form) in Placement::ALL.into_iter().zip(quantised()) {
        run(kernel, placement, Form::F32, 1e30).equal(&found, "it elsewhere in memory")?;
        run(kernel, placement, form, 1e30).equal(&found, "it")?;
    }
    Ok(())
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for kernel in registry::upsample_kernels(cpu) {
        let equals = |other: &&UpsampleKernel| other.exactness == kernel.exactness;
        let peer = (registry::upsample_kernels(cpu).find(equals)).expect("itself");
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
