//! Convolutions from `u8` and `i8`: every kernel returns the reference's own bits.

use std::fmt;

use endocast_kernels::contract::{
    Activated, ConvInt8Args, Epilogue, GROUP, LANES, NextPlane, Plane, Source, pairs_fit,
};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry::{self, ConvInt8Kernel};

use super::conv::{Case, families};
use super::guarded::{Guarded, Placement};
use super::numbers::{Fill, Numbers};
use super::output::{Form, Out, planar, quantised, written};
use super::{Test, blame, quick, selected};

/// What inputs and weights are like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bytes {
    /// Anything.
    Random,
    /// Inputs 255, of every two weights the largest sum.
    Highest,
    /// Inputs 255, of every two weights the smallest sum.
    Lowest,
    /// Of every two inputs one 255 and one 0, weights 127 and -127.
    Opposite,
    /// Anything, and infinities and NaNs among biases.
    Infinite,
}

impl Bytes {
    const ALL: [Bytes; 5] = [
        Bytes::Random,
        Bytes::Highest,
        Bytes::Lowest,
        Bytes::Opposite,
        Bytes::Infinite,
    ];

    fn input(self, numbers: &mut Numbers, index: usize) -> u8 {
        match self {
            Bytes::Random | Bytes::Infinite => numbers.bits() as u8,
            Bytes::Highest | Bytes::Lowest => 255,
            Bytes::Opposite => [255, 0][(index + index / LANES) % 2],
        }
    }

    fn pair(self, numbers: &mut Numbers) -> [i8; 2] {
        match self {
            Bytes::Random | Bytes::Infinite => {
                let [a, b] = [(); 2].map(|()| (numbers.bits() % 255) as i32 - 127);
                // Of the same sign they share 128.
                let b = if a * b > 0 {
                    b * (128 - a.abs()) / 128
                } else {
                    b
                };
                [a as i8, b as i8]
            }
            Bytes::Highest => [[127, 1], [64, 64]][numbers.bits() as usize % 2],
            Bytes::Lowest => [[-1, -127], [-64, -64]][numbers.bits() as usize % 2],
            Bytes::Opposite => [[127, -127], [-127, 127]][numbers.bits() as usize % 2],
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

struct Data {
    /// The three planes of each source that output plane `z` needs, and the one that `z + 1` adds.
    sources: Vec<[Vec<u8>; 4]>,
    weights: Vec<i8>,
    offset: Vec<i32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    /// Of either output plane.
    residuals: [Vec<f32>; 2],
    affine: [Vec<f32>; 2],
}

impl Data {
    fn new(case: &Case, bytes: Bytes) -> Data {
        let numbers = &mut Numbers::new(Fill::Random, &format!("{case}, {bytes}"));
        let problem = &case.problem;
        let channels = problem.outputs * LANES;
        let sources = (case.sources.iter()).map(|&(blocks, halo)| {
            let area = case.source_shape(halo).area();
            let len = match problem.planar {
                true => area * GROUP,
                false => area * blocks * LANES,
            };
            [0, 1, 2, 3].map(|plane| match (problem.kernel, plane) {
                (1, 0 | 2 | 3) => Vec::new(),
                _ => (0..len).map(|i| bytes.input(numbers, i)).collect(),
            })
        });
        let sources = sources.collect();
        let mut weights: Vec<i8> = (0..problem.int8_weights_len() / 2)
            .flat_map(|_| bytes.pair(numbers))
            .collect();
        if problem.planar {
            // An image has no more channels than these.
            for group in weights.chunks_exact_mut(GROUP) {
                group[problem.inputs..].fill(0);
            }
        }
        assert!(pairs_fit(&weights), "the data obey the rule");
        let zero = numbers.bits() as u8;
        let sum_of_block = |weights: &[i8], lane: usize| -> i32 {
            let of_lane = weights.chunks_exact(GROUP).skip(lane).step_by(LANES);
            of_lane.flatten().map(|&weight| i32::from(weight)).sum()
        };
        let offset = (weights.chunks_exact(problem.int8_weights_per_block()))
            .flat_map(|block| {
                (0..LANES).map(move |lane| -i32::from(zero) * sum_of_block(block, lane))
            })
            .collect();
        let unit = 1.0 / (problem.int8_weights_per_block() as f32 * 40.0);
        let scale = (0..channels)
            .map(|_| unit * (numbers.values(1)[0] + 2.0))
            .collect();
        let mut bias = numbers.values(channels);
        if bytes == Bytes::Infinite {
            bias[0] = f32::INFINITY;
            bias[1] = f32::NEG_INFINITY;
            bias[2] = f32::NAN;
            bias[3] = f32::MAX;
        }
        let residual = case.shape(case.residual.unwrap_or(0));
        Data {
            sources,
            weights,
            offset,
            scale,
            bias,
            residuals: [(); 2].map(|()| numbers.values(residual.blocked_len(problem.outputs))),
            affine: [numbers.factors(channels), numbers.values(channels)],
        }
    }

    /// Calls `run` with the arguments of the case for `count` output planes and `scratch`; returns its
    /// result and both stores of each plane, in the forms asked for.
    fn with_args<R>(
        &self,
        case: &Case,
        count: usize,
        scratch: &[i32],
        forms: [Form; 2],
        placement: Placement,
        run: impl FnOnce(&mut ConvInt8Args) -> R,
    ) -> (R, Vec<[Option<Out>; 2]>) {
        let planes: Vec<_> = (self.sources.iter())
            .map(|planes| {
                planes
                    .each_ref()
                    .map(|plane| Guarded::new(plane, placement))
            })
            .collect();
        let sources: Vec<_> = (planes.iter().zip(&case.sources))
            .map(|([before, at, after, _], &(blocks, halo))| Source {
                planes: [&**before, &**at, &**after],
                shape: case.source_shape(halo),
                blocks,
            })
            .collect();
        let next: Vec<&[u8]> = planes.iter().map(|[.., next]| &**next).collect();
        let [scale, bias, factor, shift] =
            [&self.scale, &self.bias, &self.affine[0], &self.affine[1]]
                .map(|values| Guarded::new(values, placement));
        let residuals = (self.residuals.each_ref()).map(|plane| Guarded::new(plane, placement));
        let [first, second] = forms;
        let out = |halo: Option<usize>, form| {
            let shape = case.shape(halo?);
            Some(Out::new(shape, case.problem.outputs, placement, form))
        };
        let mut outputs: Vec<_> = (0..count)
            .map(|_| [out(case.raw, first), out(case.activated, second)])
            .collect();
        let stores = outputs.iter_mut().zip(&residuals);
        let mut epilogues = stores.map(|([raw, activated], residual)| Epilogue {
            residual: case.residual.map(|halo| Plane {
                data: residual,
                halo,
            }),
            slope: case.slopes[0],
            raw: (raw.as_mut().zip(case.raw)).map(|(out, halo)| out.store(halo)),
            activated: (activated.as_mut().zip(case.activated)).map(|(out, halo)| Activated {
                scale: &factor,
                shift: &shift,
                slope: case.slopes[1],
                out: out.store(halo),
            }),
        });
        let result = run(&mut ConvInt8Args {
            problem: case.problem,
            sources: &sources,
            weights: &Guarded::new(&self.weights, placement),
            offset: &Guarded::new(&self.offset, placement),
            scale: &scale,
            bias: &bias,
            blocks: case.blocks.clone(),
            epilogue: epilogues.next().expect("a plane"),
            next: epilogues.next().map(|epilogue| NextPlane {
                planes: &next,
                epilogue,
            }),
            scratch: &mut Guarded::new(scratch, placement),
        });
        drop(epilogues);
        (result, outputs)
    }
}

fn check(kernel: &ConvInt8Kernel, case: &Case, bytes: Bytes) -> Result<(), String> {
    let data = Data::new(case, bytes);
    let count = kernel.planes();
    let reference = |args: &mut ConvInt8Args| reference::conv_int8(args);
    let (expected, _) = data.with_args(case, count, &[], [Form::F32; 2], Placement::End, reference);
    let [a, b, c] = quantised();
    let single = Form::F32;
    let mut runs = vec![
        ([single, a], Placement::End),
        ([b, single], Placement::Start),
        ([single, single], Placement::Skewed),
        ([a, c], Placement::Skewed),
    ];
    if case.can_be_planar() {
        let [one, some] = planar(case.problem.outputs);
        runs.extend([
            ([one, one], Placement::End),
            ([some, some], Placement::Start),
        ]);
    }
    for (poison, (forms, placement)) in (0x1234_5678..).zip(runs) {
        let scratch = vec![poison; kernel.scratch_len(&case.problem)];
        let run = |args: &mut ConvInt8Args| kernel.run(args);
        let (_, outputs) = data.with_args(case, count, &scratch, forms, placement, run);
        for (found, expected) in outputs.iter().zip(&expected) {
            let stored = [
                (case.raw, &found[0], &expected.raw),
                (case.activated, &found[1], &expected.activated),
            ];
            for (halo, found, expected) in stored {
                if let Some((halo, found)) = halo.zip(found.as_ref()) {
                    let (shape, blocks) = (case.shape(halo), case.blocks.clone());
                    let expected = written(shape, case.problem.outputs, blocks, expected);
                    found.equal(&expected, "the reference")?;
                }
            }
        }
    }
    Ok(())
}

/// As many input blocks as the kernels that filter single planes, and pairs of them, take.
fn most_inputs() -> Vec<Case> {
    let case = |blocks| Case::new(3, 1, 2, 9).sources(&[(blocks, 0)]);
    [19, 9].map(case).to_vec()
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    let kernels = registry::conv_int8_kernels(cpu).chain(registry::conv_int8_modelled(cpu));
    for kernel in kernels {
        let families = families().into_iter();
        for (family, cases) in families.chain([("most_inputs".to_string(), most_inputs())]) {
            for bytes in Bytes::ALL {
                if quick() && bytes == Bytes::Infinite {
                    continue;
                }
                let mut cases = cases.clone();
                cases.retain(|case| kernel.accepts(&case.problem).is_ok());
                if cases.is_empty() {
                    continue;
                }
                let how_many = match bytes {
                    Bytes::Random => Fill::Random,
                    _ => Fill::Max,
                };
                let test = move || {
                    selected(cases, how_many).try_for_each(|case| {
                        check(kernel, &case, bytes)
                            .map_err(|error| blame(&bytes.to_string(), &case, error))
                    })
                };
                let name = format!("{}::{family}::{bytes}", kernel.name);
                tests.push((name, Box::new(test)));
            }
        }
    }
    tests
}
