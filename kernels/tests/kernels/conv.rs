//! Convolutions.

use std::fmt;
use std::ops::Range;

use endocast_kernels::contract::{
    Activated, ConvArgs, ConvProblem, Epilogue, LANES, NextPlane, Plane, PlaneShape, Source,
};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry::{self, ConvKernel};

use super::guarded::{Guarded, Placement};
use super::numbers::{Fill, Numbers};
use super::output::{Form, Out, Tolerance, compare, planar, quantised};
use super::{Test, blame, fills, selected};

/// A convolution to be computed.
#[derive(Clone)]
pub struct Case {
    pub problem: ConvProblem,
    /// Blocks (channels, if planar) and halo of each source.
    pub sources: Vec<(usize, usize)>,
    /// Rows and columns of the sources that no output voxel is centred on.
    surplus: usize,
    pub blocks: Range<usize>,
    pub residual: Option<usize>,
    pub raw: Option<usize>,
    pub activated: Option<usize>,
    pub slopes: [f32; 2],
}

impl Case {
    /// One source with the halo it needs, one output block, and the sums stored as they are.
    pub fn new(kernel: usize, stride: usize, height: usize, width: usize) -> Case {
        let problem = ConvProblem {
            kernel,
            stride,
            dilation: 1,
            inputs: 1,
            planar: false,
            outputs: 1,
            depth: 1024,
            height,
            width,
        };
        Case {
            problem,
            sources: vec![(1, problem.halo())],
            surplus: 0,
            blocks: 0..1,
            residual: None,
            raw: Some(0),
            activated: None,
            slopes: [1.0; 2],
        }
    }

    fn planar(mut self, channels: usize) -> Case {
        self.problem.planar = true;
        self.sources(&[(channels, 0)])
    }

    /// Blocks of each source, and its halo beyond what the problem needs.
    pub fn sources(mut self, sources: &[(usize, usize)]) -> Case {
        let needed = self.problem.halo();
        self.problem.inputs = sources.iter().map(|(blocks, _)| blocks).sum();
        self.sources = (sources.iter())
            .map(|&(blocks, halo)| (blocks, needed + halo))
            .collect();
        self
    }

    /// Whether the sums may be stored planar.
    pub fn can_be_planar(&self) -> bool {
        let ConvProblem {
            kernel,
            stride,
            planar,
            ..
        } = self.problem;
        (kernel, stride, planar) == (1, 1, false)
            && self.residual.is_none()
            && self.activated.is_none()
    }

    pub fn shape(&self, halo: usize) -> PlaneShape {
        PlaneShape {
            height: self.problem.height,
            width: self.problem.width,
            halo,
        }
    }

    pub fn source_shape(&self, halo: usize) -> PlaneShape {
        let extent = |outputs| (outputs - 1) * self.problem.stride + 1 + self.surplus;
        PlaneShape {
            height: extent(self.problem.height),
            width: extent(self.problem.width),
            halo,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = &self.problem;
        write!(
            f,
            "kernel {} stride {} dilation {}, {} {:?} + {} to {:?} of {} blocks, {} x {}, \
             residual {:?} raw {:?} activated {:?}, slopes {:?}",
            p.kernel,
            p.stride,
            p.dilation,
            if p.planar { "planar" } else { "blocked" },
            self.sources,
            self.surplus,
            self.blocks,
            p.outputs,
            p.height,
            p.width,
            self.residual,
            self.raw,
            self.activated,
            self.slopes,
        )
    }
}

/// The numbers of a case.
pub struct Data {
    /// The three planes of each source that output plane `z` needs, and the one that `z + 1` adds.
    sources: Vec<[Vec<f32>; 4]>,
    pub weights: Vec<f32>,
    bias: Vec<f32>,
    /// Of either output plane.
    residuals: [Vec<f32>; 2],
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Data {
    pub fn new(case: &Case, fill: Fill) -> Data {
        let mut numbers = Numbers::new(fill, case);
        let problem = &case.problem;
        let lanes = if problem.planar { 1 } else { LANES };
        let channels = problem.outputs * LANES;
        let sources = (case.sources.iter()).map(|&(blocks, halo)| {
            [0, 1, 2, 3].map(|plane| match (problem.kernel, plane) {
                (1, 0 | 2 | 3) => Vec::new(),
                _ => numbers.plane(case.source_shape(halo), blocks, lanes),
            })
        });
        Data {
            sources: sources.collect(),
            weights: numbers.factors(problem.weights_len()),
            bias: numbers.values(channels),
            residuals: [(); 2].map(|()| {
                let shape = case.shape(case.residual.unwrap_or(0));
                numbers.plane(shape, problem.outputs, LANES)
            }),
            scale: numbers.factors(channels),
            shift: numbers.values(channels),
        }
    }

    /// Calls `run` with the arguments of the case for `count` output planes; returns its result and
    /// both stores of each plane.
    pub fn with_args<R>(
        &self,
        case: &Case,
        count: usize,
        [weights, scratch]: [&[f32]; 2],
        placement: Placement,
        forms: [Form; 2],
        run: impl FnOnce(&mut ConvArgs) -> R,
    ) -> (R, Vec<[Option<Out>; 2]>) {
        let place = |values: &[f32]| Guarded::new(values, placement);
        let planes: Vec<_> = (self.sources.iter())
            .map(|planes| planes.each_ref().map(|plane| place(plane)))
            .collect();
        let sources: Vec<_> = (planes.iter().zip(&case.sources))
            .map(|([before, at, after, _], &(blocks, halo))| Source {
                planes: [&**before, &**at, &**after],
                shape: case.source_shape(halo),
                blocks,
            })
            .collect();
        let next: Vec<&[f32]> = planes.iter().map(|[.., next]| &**next).collect();
        let [weights, bias, scale, shift] =
            [weights, &self.bias, &self.scale, &self.shift].map(place);
        let residuals = self.residuals.each_ref().map(|residual| place(residual));
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
                scale: &scale,
                shift: &shift,
                slope: case.slopes[1],
                out: out.store(halo),
            }),
        });
        let result = run(&mut ConvArgs {
            problem: case.problem,
            sources: &sources,
            weights: &weights,
            bias: &bias,
            blocks: case.blocks.clone(),
            epilogue: epilogues.next().expect("a plane"),
            next: epilogues.next().map(|epilogue| NextPlane {
                planes: &next,
                epilogue,
            }),
            scratch: &mut place(scratch),
        });
        drop(epilogues);
        (result, outputs)
    }

    /// What `kernel` computes in scratch full of `poison`.
    pub fn run(
        &self,
        case: &Case,
        kernel: &ConvKernel,
        placement: Placement,
        forms: [Form; 2],
        poison: f32,
    ) -> Vec<[Option<Out>; 2]> {
        let mut weights = self.weights.clone();
        if let Some(len) = kernel.prepared_len(&case.problem) {
            weights = vec![f32::NAN; len];
            kernel.prepare(&case.problem, &self.weights, &mut weights);
        }
        let scratch = vec![poison; kernel.scratch_len(&case.problem)];
        let run = |args: &mut ConvArgs| kernel.run(args);
        let buffers = [&weights[..], &scratch];
        let count = kernel.planes();
        self.with_args(case, count, buffers, placement, forms, run)
            .1
    }
}

/// Everything about one kernel and one case; `peer` should return the same bits.
fn check(kernel: &ConvKernel, peer: &ConvKernel, case: &Case, fill: Fill) -> Result<(), String> {
    let data = Data::new(case, fill);
    let order = kernel.exactness.order;
    let by_definition = |args: &mut ConvArgs| reference::conv(args, &data.weights, order);
    let (expected, _) = data.with_args(
        case,
        kernel.planes(),
        [&data.weights, &[]],
        Placement::End,
        [Form::F32; 2],
        by_definition,
    );
    let found = data.run(case, kernel, Placement::End, [Form::F32; 2], f32::NAN);
    let found: Vec<_> = (found.into_iter())
        .map(|plane| plane.map(|out| out.map(Out::values)))
        .collect();
    for (found, expected) in found.iter().zip(&expected) {
        let tolerance = Tolerance {
            exactness: kernel.exactness,
            roundings: match fill {
                Fill::Integer => 0,
                _ => expected.roundings,
            },
            absolute: 0.0,
        };
        let stored = [
            (case.raw, &found[0], &expected.raw),
            (case.activated, &found[1], &expected.activated),
        ];
        for (halo, found, expected) in stored {
            if let Some((halo, found)) = halo.zip(found.as_ref()) {
                let (shape, blocks) = (case.shape(halo), case.blocks.clone());
                compare(found, shape, blocks, expected, tolerance)?;
            }
        }
    }
    let [a, b, c] = quantised();
    let mut others = vec![
        (peer, Placement::End, [Form::F32; 2], "its equal"),
        (
            kernel,
            Placement::Start,
            [Form::F32, a],
            "it after an inaccessible page",
        ),
        (
            kernel,
            Placement::Skewed,
            [Form::F32; 2],
            "it at an odd address",
        ),
        (kernel, Placement::Skewed, [b, c], "it in `f32`"),
    ];
    if case.can_be_planar() {
        let [one, some] = planar(case.problem.outputs);
        others.push((kernel, Placement::End, [one, one], "it in blocks"));
        others.push((kernel, Placement::Start, [some, some], "it in blocks"));
    }
    for (kernel, placement, forms, than) in others {
        let again = data.run(case, kernel, placement, forms, 1e30);
        let again = again.iter().flatten().flatten();
        for (found, again) in found.iter().flatten().flatten().zip(again) {
            again.equal(found, than)?;
        }
    }
    Ok(())
}

/// Cases by what varies in them.
pub fn families() -> Vec<(String, Vec<Case>)> {
    let mut families = Vec::new();
    for kernel in [1, 3] {
        for stride in [1, 2] {
            let case = |width: usize| {
                let case = Case::new(kernel, stride, 1 + width % 5, width);
                Case {
                    surplus: width / 2 % 2,
                    ..case
                }
            };
            let name = format!("widths_{kernel}x{kernel}x{kernel}_stride{stride}");
            let planar = |channels| (1..=40).map(|width| case(width).planar(channels)).collect();
            families.push((format!("{name}_planar1"), planar(1)));
            families.push((format!("{name}_planar4"), planar(4)));
            families.push((name, (1..=40).map(case).collect()));
        }
    }
    families.push(("dilations".to_string(), dilations()));
    families.push(("slabs".to_string(), slabs()));
    families.push(("sources".to_string(), sources()));
    families.push(("epilogues".to_string(), epilogues()));
    families
}

fn dilations() -> Vec<Case> {
    let mut cases = Vec::new();
    for dilation in [1, 2, 5] {
        for stride in [1, 2] {
            for (height, width) in [(1, 1), (3, 7), (5, 30), (7, 13)] {
                let mut case = Case::new(3, stride, height, width);
                case.problem.dilation = dilation;
                cases.push(case.clone().sources(&[(1, 0)]));
                cases.push(case.planar(1));
            }
        }
    }
    cases
}

/// Planes as wide as real ones; the last ones have more tiles than a chunk of any kernel.
fn slabs() -> Vec<Case> {
    [(1, 128), (2, 127), (3, 96), (5, 129), (9, 61)]
        .into_iter()
        .flat_map(|(height, width)| [1, 3].map(|kernel| Case::new(kernel, 1, height, width)))
        .collect()
}

fn sources() -> Vec<Case> {
    let mut cases = Vec::new();
    let split: [&[(usize, usize)]; 5] = [
        &[(2, 1)],
        &[(6, 0)],
        &[(1, 0), (1, 3)],
        &[(1, 2), (2, 0)],
        &[(2, 0), (1, 4), (1, 1)],
    ];
    for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
        for split in split {
            for (outputs, blocks) in [(1, 0..1), (2, 0..1), (3, 1..3), (3, 2..2), (2, 0..2)] {
                let mut case = Case::new(kernel, stride, 2, 9).sources(split);
                case.problem.outputs = outputs;
                cases.push(Case { blocks, ..case });
            }
        }
    }
    cases
}

fn epilogues() -> Vec<Case> {
    let mut cases = Vec::new();
    for (residual, raw, activated) in [
        (None, None, None),
        (None, Some(2), None),
        (None, None, Some(1)),
        (None, Some(0), Some(3)),
        (Some(0), Some(1), None),
        (Some(1), None, Some(0)),
        (Some(2), Some(0), Some(5)),
    ] {
        for slopes in [[1.0, 1.0], [0.125, 0.25], [0.0, 0.0], [1.0, 0.125]] {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2)] {
                let mut case = Case::new(kernel, stride, 3, 10);
                case.problem.outputs = 2;
                cases.push(Case {
                    blocks: 0..2,
                    residual,
                    raw,
                    activated,
                    slopes,
                    ..case
                });
            }
        }
    }
    cases
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for kernel in registry::conv_kernels(cpu) {
        let equals = |other: &&ConvKernel| other.exactness == kernel.exactness;
        let peer = registry::conv_kernels(cpu).find(equals).expect("itself");
        for (family, mut cases) in families() {
            cases.retain(|case| kernel.accepts(&case.problem).is_ok());
            if cases.is_empty() {
                continue;
            }
            for fill in fills() {
                let cases = cases.clone();
                let test = move || {
                    selected(cases, fill).try_for_each(|case| {
                        check(kernel, peer, &case, fill)
                            .map_err(|error| blame(&fill.to_string(), &case, error))
                    })
                };
                tests.push((format!("{}::{family}::{fill}", kernel.name), Box::new(test)));
            }
        }
    }
    tests
}
