//! Quantisation of images, and the bytes that other kernels store: exact.

use std::fmt;

use endocast_kernels::contract::{GROUP, Plane, PlaneMut, PlaneShape, Quantisation, QuantizeArgs};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry::{self, QuantizeKernel};

use super::guarded::{Guarded, Placement};
use super::numbers::{Fill, Numbers};
use super::{Test, blame, fills, selected};

#[derive(Clone)]
struct Case {
    height: usize,
    width: usize,
    channels: usize,
    /// Of input and output.
    halos: [usize; 2],
    quantisation: Quantisation,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} x {} of {} channels, halos {:?}, {:?}",
            self.height, self.width, self.channels, self.halos, self.quantisation
        )
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (height, width) in [(1, 1), (2, 15), (1, 16), (3, 17), (1, 40)] {
        for channels in [1, 2, 3, 4] {
            for halos in [[0, 0], [1, 0], [0, 1], [2, 1]] {
                for (inverse_scale, zero) in [(1.0, 0), (100.0, 128), (0.5, 255), (1e30, 7)] {
                    cases.push(Case {
                        height,
                        width,
                        channels,
                        halos,
                        quantisation: Quantisation {
                            inverse_scale,
                            zero,
                        },
                    });
                }
            }
        }
    }
    cases
}

/// Stands where nothing was written.
const CANARY: u8 = 0xa5;

fn check(kernel: &QuantizeKernel, case: &Case, fill: Fill) -> Result<(), String> {
    let [from, to] = case.halos.map(|halo| PlaneShape {
        height: case.height,
        width: case.width,
        halo,
    });
    let mut numbers = Numbers::new(fill, case);
    let mut image = numbers.plane(from, case.channels, 1);
    if fill == Fill::Random {
        // Halves, and what is no number.
        let special = [
            0.5,
            1.5,
            2.5,
            -0.5,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        for (index, value) in image.iter_mut().enumerate().filter(|(i, _)| i % 3 == 0) {
            *value = special[index / 3 % special.len()];
        }
    }
    for placement in Placement::ALL {
        let image = Guarded::new(&image, placement);
        let mut out = Guarded::new(&vec![CANARY; to.area() * GROUP], placement);
        let mut args = QuantizeArgs {
            input: Plane {
                data: &image,
                halo: case.halos[0],
            },
            channels: case.channels,
            height: case.height,
            width: case.width,
            quantisation: case.quantisation,
            out: PlaneMut {
                data: &mut out,
                halo: case.halos[1],
            },
        };
        let values = reference::quantize(&args);
        kernel.run(&mut args);
        let mut expected = vec![CANARY; out.len()];
        for (row, values) in values.chunks_exact(case.width * GROUP).enumerate() {
            expected[to.voxel(row, 0) * GROUP..][..values.len()].copy_from_slice(values);
        }
        if out[..] != expected {
            return Err(format!("{:?} instead of {expected:?}", &*out));
        }
    }
    Ok(())
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for kernel in registry::quantize_kernels(cpu) {
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
