//! The int8 convolution kernels: `conv_int8/<kernel>/<shape>`.

use criterion::{BenchmarkId, Criterion, Throughput};
use endocast::kernels::contract::{
    ConvInt8Args, ConvProblem, Epilogue, GROUP, LANES, NextPlane, PlaneMut, PlaneShape,
    Quantisation, Source, Store,
};
use endocast::kernels::cpu::Cpu;
use endocast::kernels::reference;
use endocast::kernels::registry::{self, ConvInt8Kernel};

use super::{COMPARED, shapes, values};

/// Spreads the results over the bytes.
const QUANTISATION: Quantisation = Quantisation {
    inverse_scale: 60.0,
    zero: 128,
};

/// A kernel with all that it reads and writes.
struct Work {
    kernel: &'static ConvInt8Kernel,
    problem: ConvProblem,
    shape: PlaneShape,
    plane: Vec<u8>,
    weights: Vec<i8>,
    offset: Vec<i32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    /// As many planes as the kernel computes at a time.
    out: Vec<Vec<u8>>,
    scratch: Vec<i32>,
}

impl Work {
    fn new(kernel: &'static ConvInt8Kernel, problem: ConvProblem) -> Work {
        let shape = PlaneShape {
            height: problem.height * problem.stride,
            width: problem.width * problem.stride,
            halo: problem.halo(),
        };
        let len = match problem.planar {
            true => shape.area() * GROUP,
            false => shape.blocked_len(problem.inputs),
        };
        let channels = problem.outputs * LANES;
        let weights = values(problem.int8_weights_len()).into_iter();
        let mut weights: Vec<i8> = weights.map(|value| (value * 64.0) as i8).collect();
        if problem.planar {
            let groups = weights.chunks_exact_mut(GROUP);
            groups.for_each(|group| group[problem.inputs..].fill(0));
        }
        let unit = 1.0 / (64.0 * 64.0 * (problem.int8_weights_per_block() as f32 / 16.0).sqrt());
        Work {
            kernel,
            problem,
            shape,
            plane: (values(len).into_iter())
                .map(|value| (value * 127.0 + 128.0) as u8)
                .collect(),
            weights,
            offset: vec![0; channels],
            scale: vec![unit; channels],
            bias: values(channels),
            out: vec![vec![0; channels * problem.height * problem.width]; kernel.planes()],
            scratch: vec![0; kernel.scratch_len(&problem)],
        }
    }

    fn args<'a>(
        &'a self,
        problem: ConvProblem,
        sources: &'a [Source<'a, u8>],
        raw: Option<Store<'a>>,
        scratch: &'a mut [i32],
    ) -> ConvInt8Args<'a> {
        ConvInt8Args {
            problem,
            sources,
            weights: &self.weights,
            offset: &self.offset,
            scale: &self.scale,
            bias: &self.bias,
            blocks: 0..problem.outputs,
            epilogue: epilogue(raw),
            next: None,
            scratch,
        }
    }

    fn source(&self) -> Source<'_, u8> {
        Source {
            planes: [&self.plane; 3],
            shape: self.shape,
            blocks: self.problem.inputs,
        }
    }

    fn run(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut stores =
            (out.iter_mut()).map(|data| Store::U8(PlaneMut { data, halo: 0 }, QUANTISATION));
        let (sources, next) = ([self.source()], [&self.plane[..]]);
        let mut args = self.args(self.problem, &sources, stores.next(), &mut scratch);
        args.next = stores.next().map(|store| NextPlane {
            planes: &next,
            epilogue: epilogue(Some(store)),
        });
        self.kernel.run(&mut args);
        drop(stores);
        (self.out, self.scratch) = (out, scratch);
    }

    /// Compares the first voxels of the last output block with the reference; all input planes are the
    /// same, and so are the output planes.
    fn check(&self) {
        let last = self.problem.outputs - 1;
        let corner = ConvProblem {
            height: COMPARED[0].min(self.problem.height),
            width: COMPARED[1].min(self.problem.width),
            ..self.problem
        };
        let sources = [self.source()];
        let mut args = self.args(corner, &sources, None, &mut []);
        args.blocks = last..last + 1;
        let expected = reference::conv_int8(&args).swap_remove(0).raw;
        for (index, &value) in expected.iter().enumerate() {
            let (voxel, lane) = (index / LANES, index % LANES);
            let row = last * self.problem.height + voxel / corner.width;
            let at = row * self.problem.width + voxel % corner.width;
            let what = format!("{} on {}", self.kernel.name, self.problem);
            let expected = QUANTISATION.apply(value);
            for out in &self.out {
                assert_eq!(out[at * LANES + lane], expected, "{what}");
            }
        }
    }
}

fn epilogue(raw: Option<Store>) -> Epilogue {
    Epilogue {
        residual: None,
        slope: 0.01,
        raw,
        activated: None,
    }
}

pub fn conv_int8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv_int8");
    group.sample_size(10);
    for problem in shapes::shapes() {
        let kernels = registry::conv_int8_kernels(Cpu::detect());
        for kernel in kernels.filter(|kernel| kernel.accepts(&problem).is_ok()) {
            let id = BenchmarkId::new(kernel.name, problem);
            let macs = problem.int8_macs() * kernel.planes() as u64;
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
