//! Element-wise maps.

use std::fmt;

use endocast_kernels::contract::{Activation, LANES, Plane, PlaneMut, PlaneShape, PointwiseArgs};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry::{self, PointwiseKernel};

use super::guarded::{Guarded, Placement};
use super::numbers::{Fill, Numbers};
use super::output::{Form, Out, Tolerance, compare, equal, quantised};
use super::{Test, blame, fills, selected};

/// As the reference promises.
const ROUNDINGS: usize = 4;
/// As the contract promises for GELU.
const GELU_ERROR: f64 = 1e-6;

#[derive(Clone)]
struct Case {
    height: usize,
    width: usize,
    blocks: usize,
    /// Of input, addend and output.
    halos: [usize; 3],
    addend: bool,
    activation: Activation,
}

impl Case {
    fn shape(&self, halo: usize) -> PlaneShape {
        PlaneShape {
            height: self.height,
            width: self.width,
            halo,
        }
    }

    /// Calls `run` with the arguments of the case; returns its result and the output plane.
    fn with_args<R>(
        &self,
        fill: Fill,
        placement: Placement,
        form: Form,
        run: impl FnOnce(&mut PointwiseArgs) -> R,
    ) -> (R, Out) {
        let mut numbers = Numbers::new(fill, self);
        let [input, addend] = [self.halos[0], self.halos[1]].map(|halo| {
            let plane = numbers.plane(self.shape(halo), self.blocks, LANES);
            Guarded::new(&plane, placement)
        });
        let scale = Guarded::new(&numbers.factors(self.blocks * LANES), placement);
        let shift = Guarded::new(&numbers.values(self.blocks * LANES), placement);
        let shape = self.shape(self.halos[2]);
        let mut out = Out::new(shape, self.blocks, placement, form);
        let result = run(&mut PointwiseArgs {
            input: Plane {
                data: &input,
                halo: self.halos[0],
            },
            addend: self.addend.then_some(Plane {
                data: &addend,
                halo: self.halos[1],
            }),
            height: self.height,
            width: self.width,
            blocks: self.blocks,
            scale: &scale,
            shift: &shift,
            activation: self.activation,
            out: out.store(self.halos[2]),
        });
        (result, out)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} x {} of {} blocks, halos {:?}, addend {}, {:?}",
            self.height, self.width, self.blocks, self.halos, self.addend, self.activation
        )
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (height, width, blocks) in [(1, 1, 1), (1, 9, 3), (3, 5, 2), (5, 16, 1)] {
        for halos in [[0, 0, 0], [1, 0, 2], [3, 1, 0]] {
            for addend in [false, true] {
                let leaky = [1.0, 0.01, 0.0].map(|slope| Activation::Leaky { slope });
                for activation in leaky.into_iter().chain([Activation::Gelu]) {
                    cases.push(Case {
                        height,
                        width,
                        blocks,
                        halos,
                        addend,
                        activation,
                    });
                }
            }
        }
    }
    cases
}

fn check(
    kernel: &PointwiseKernel,
    peer: &PointwiseKernel,
    case: &Case,
    fill: Fill,
) -> Result<(), String> {
    let run = |kernel: &PointwiseKernel, placement, form| {
        let (_, out) = case.with_args(fill, placement, form, |args| kernel.run(args));
        out
    };
    let by_definition = |args: &mut PointwiseArgs| reference::pointwise(args);
    let (expected, _) = case.with_args(fill, Placement::End, Form::F32, by_definition);
    let found = run(kernel, Placement::End, Form::F32).values();
    let tolerance = Tolerance {
        exactness: kernel.exactness,
        roundings: ROUNDINGS,
        absolute: match case.activation {
            Activation::Leaky { .. } => 0.0,
            Activation::Gelu => GELU_ERROR,
        },
    };
    let shape = case.shape(case.halos[2]);
    compare(&found, shape, 0..case.blocks, &expected, tolerance)?;
    equal(
        &found,
        &run(peer, Placement::End, Form::F32).values(),
        "its equal",
    )?;
    for (placement, form) in Placement::ALL.into_iter().zip(quantised()) {
        run(kernel, placement, Form::F32).equal(&found, "it elsewhere in memory")?;
        run(kernel, placement, form).equal(&found, "it")?;
    }
    Ok(())
}

/// `2 / sqrt pi` times the sum of `(-1)^n z^(2n+1) / (n! (2n+1))`, good to 1e-9 up to |z| = 4.
fn erf(z: f64) -> f64 {
    let (mut power, mut sum) = (z, z);
    for n in 1..120 {
        power *= -z * z / f64::from(n);
        sum += power / f64::from(2 * n + 1);
    }
    std::f64::consts::FRAC_2_SQRT_PI * sum
}

/// GELU all along the axis, by a series other than the reference's.
fn gelu(kernel: &PointwiseKernel) -> Result<(), String> {
    let (first, last, width) = (-5.6, 5.6, 7001);
    let step = (last - first) / (width * LANES - 1) as f32;
    let input: Vec<f32> = (0..width * LANES)
        .map(|i| first + i as f32 * step)
        .collect();
    let mut out = vec![f32::NAN; input.len()];
    kernel.run(&mut PointwiseArgs {
        input: Plane {
            data: &input,
            halo: 0,
        },
        addend: None,
        height: 1,
        width,
        blocks: 1,
        scale: &[1.0; LANES],
        shift: &[0.0; LANES],
        activation: Activation::Gelu,
        out: PlaneMut {
            data: &mut out,
            halo: 0,
        }
        .into(),
    });
    for (&x, &found) in input.iter().zip(&out) {
        let x = f64::from(x);
        let expected = x / 2.0 * (1.0 + erf(x / 2f64.sqrt()));
        let error = (f64::from(found) - expected).abs();
        if error.is_nan() || error > GELU_ERROR {
            return Err(format!("gelu({x}) is {expected}, not {found}"));
        }
    }
    Ok(())
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for kernel in registry::pointwise_kernels(cpu) {
        let equals = |other: &&PointwiseKernel| other.exactness == kernel.exactness;
        let peer = (registry::pointwise_kernels(cpu).find(equals)).expect("itself");
        for fill in fills() {
            let test = move || {
                selected(cases(), fill).try_for_each(|case| {
                    check(kernel, peer, &case, fill)
                        .map_err(|error| blame(&fill.to_string(), &case, error))
                })
            };
            tests.push((format!("{}::{fill}", kernel.name), Box::new(test)));
        }
        let test = move || gelu(kernel);
        tests.push((format!("{}::gelu", kernel.name), Box::new(test)));
    }
    tests
}
