//! Every convolution kernel on every shape of the network, one output plane or pair at a time:
//! `conv/<kernel>/<shape>` and `conv_int8/<kernel>/<shape>`, throughput in multiply-accumulates.

mod int8;
mod shapes;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use endocast::kernels::contract::{
    ConvArgs, ConvProblem, Epilogue, LANES, NextPlane, PlaneMut, PlaneShape, Source,
};
use endocast::kernels::cpu::Cpu;
use endocast::kernels::reference;
use endocast::kernels::registry::{self, ConvKernel};

/// Rows and columns whose results are compared with the reference.
const COMPARED: [usize; 2] = [3, 5];

/// A kernel with all that it reads and writes.
struct Work {
    kernel: &'static ConvKernel,
    problem: ConvProblem,
    shape: PlaneShape,
    plane: Vec<f32>,
    packed: Vec<f32>,
    /// The kernel's own form of the weights.
    prepared: Option<Vec<f32>>,
    bias: Vec<f32>,
    /// As many planes as the kernel computes at a time.
    out: Vec<Vec<f32>>,
    scratch: Vec<f32>,
}

impl Work {
    fn new(kernel: &'static ConvKernel, problem: ConvProblem) -> Work {
        let shape = PlaneShape {
            height: problem.height * problem.stride,
            width: problem.width * problem.stride,
            halo: problem.halo(),
        };
        let packed = values(problem.weights_len());
        let prepared = kernel.prepared_len(&problem).map(|len| {
            let mut prepared = vec![0.0; len];
            kernel.prepare(&problem, &packed, &mut prepared);
            prepared
        });
        let out = problem.outputs * problem.height * problem.width * LANES;
        Work {
            kernel,
            problem,
            shape,
            plane: plane(shape, &problem),
            packed,
            prepared,
            bias: values(problem.outputs * LANES),
            out: vec![vec![0.0; out]; kernel.planes()],
            scratch: vec![0.0; kernel.scratch_len(&problem)],
        }
    }

    fn run(&mut self) {
        let sources = [source(&self.plane, self.shape, &self.problem)];
        let next = [&self.plane[..]];
        let mut epilogues = self.out.iter_mut().map(|data| Epilogue {
            residual: None,
            slope: 1.0,
            raw: Some(PlaneMut { data, halo: 0 }.into()),
            activated: None,
        });
        self.kernel.run(&mut ConvArgs {
            problem: self.problem,
            sources: &sources,
            weights: self.prepared.as_ref().unwrap_or(&self.packed),
            bias: &self.bias,
            blocks: 0..self.problem.outputs,
            epilogue: epilogues.next().expect("a plane"),
            next: epilogues.next().map(|epilogue| NextPlane {
                planes: &next,
                epilogue,
            }),
            scratch: &mut self.scratch,
        });
    }

    /// Compares the first voxels of the last output block with the reference.
    fn check(&self) {
        let last = self.problem.outputs - 1;
        let corner = ConvProblem {
            height: COMPARED[0].min(self.problem.height),
            width: COMPARED[1].min(self.problem.width),
            ..self.problem
        };
        let args = ConvArgs {
            problem: corner,
            sources: &[source(&self.plane, self.shape, &self.problem)],
            weights: &self.packed,
            bias: &self.bias,
            blocks: last..last + 1,
            epilogue: Epilogue {
                residual: None,
                slope: 1.0,
                raw: None,
                activated: None,
            },
            next: None,
            scratch: &mut [],
        };
        let exactness = self.kernel.exactness;
        let expected = reference::conv(&args, &self.packed, exactness.order).swap_remove(0);
        for (index, value) in expected.raw.iter().enumerate() {
            let (voxel, lane) = (index / LANES, index % LANES);
            let row = last * self.problem.height + voxel / corner.width;
            let at = row * self.problem.width + voxel % corner.width;
            let found = f64::from(self.out[0][at * LANES + lane]);
            let bound = exactness.bound(expected.roundings, value.magnitude);
            assert!(
                (found - value.value).abs() <= bound,
                "{} on {}: {found} instead of {}",
                self.kernel.name,
                self.problem,
                value.value
            );
        }
    }
}

/// The same values every time, between -1 and 1.
fn values(len: usize) -> Vec<f32> {
    (0..len)
        .map(|index| (index * 7919 % 1009) as f32 / 504.0 - 1.0)
        .collect()
}

fn plane(shape: PlaneShape, problem: &ConvProblem) -> Vec<f32> {
    let lanes = if problem.planar { 1 } else { LANES };
    let mut plane = vec![0.0; problem.inputs * shape.area() * lanes];
    let row_of_values = values(shape.width * lanes + shape.height);
    for block in 0..problem.inputs {
        for row in 0..shape.height {
            let first = (block * shape.area() + shape.voxel(row, 0)) * lanes;
            plane[first..][..shape.width * lanes]
                .copy_from_slice(&row_of_values[row..][..shape.width * lanes]);
        }
    }
    plane
}

fn source<'a>(plane: &'a [f32], shape: PlaneShape, problem: &ConvProblem) -> Source<'a> {
    Source {
        planes: [plane; 3],
        shape,
        blocks: problem.inputs,
    }
}

fn conv(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv");
    group.sample_size(10);
    for problem in shapes::shapes() {
        let kernels = registry::conv_kernels(Cpu::detect());
        for kernel in kernels.filter(|kernel| kernel.accepts(&problem).is_ok()) {
            let id = BenchmarkId::new(kernel.name, problem);
            let macs = problem.macs() * kernel.planes() as u64;
            group.throughput(Throughput::Elements(macs));
            let mut work = None;
            group.bench_function(id, |bencher| {
                let work = work.get_or_insert_with(|| {
                    let mut work = Work::new(kernel, problem);
                    work.run();
                    work.check();
                    work
                });
                bencher.iter(|| work.run());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, conv, int8::conv_int8);
criterion_main!(benches);
