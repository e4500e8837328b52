//! A network on a grid, a processor and a number of threads: which kernel computes what, in which
//! order, and where everything lies in memory. Built once, before any data.

mod arena;
mod choice;
mod explain;
mod fuse;
mod memory;
mod step;
mod stream;

use std::fmt;

use endocast_kernels::cpu::Cpu;
use endocast_kernels::registry::Policy;
use endocast_weights::Graph;

pub use choice::{ConvChoice, Kernel};
pub use memory::{Region, Role, Stage};
pub use step::{Coefficients, Conv, Element, Home, Layout, Step, Tensor, TensorId, Work};
pub use stream::{Group, MAX_INPUTS, MAX_STEPS, Schedule, Slabs, first_planes};

/// Longest edge of a grid.
pub const MAX_EXTENT: usize = 1024;

/// Why a network cannot be planned.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The engine has no kernel for what a node does.
    Unsupported {
        /// Name of the graph node.
        node: String,
        /// What it does.
        cause: &'static str,
    },
    /// The grid does not suit the network.
    Grid {
        /// Depth, height, width.
        grid: [usize; 3],
        /// What is wrong with it.
        cause: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Unsupported { node, cause } => write!(f, "node '{node}' {cause}"),
            Error::Grid { grid, cause } => {
                write!(f, "grid {}x{}x{} {cause}", grid[0], grid[1], grid[2])
            }
        }
    }
}

impl std::error::Error for Error {}

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads; at least 1.
    pub threads: usize,
    /// Which kernels may be chosen, on which processor.
    pub policy: Policy,
}

/// The processor's best kernels on one thread.
impl Default for Options {
    fn default() -> Options {
        Options {
            threads: 1,
            policy: Cpu::detect().into(),
        }
    }
}

/// One instance normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    /// The tensor whose statistics it uses.
    pub measured: TensorId,
    /// The graph node that owns `scale` and `shift`.
    pub node: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

/// See the module's description.
#[derive(Debug)]
pub struct Plan {
    /// Activation tensors; 0 is the image, the last one the result.
    pub tensors: Vec<Tensor>,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// For each step that is a convolution, its kernel.
    pub convs: Vec<Option<ConvChoice>>,
    /// Groups of steps in order.
    pub stages: Vec<Stage>,
    /// Instance normalisations.
    pub normalisations: Vec<Normalisation>,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// What the plan was made for; a graph with quantised values takes only kernels that give the same
    /// results on every processor.
    pub options: Options,
}

impl Plan {
    /// Plans `graph` for an image of `grid` voxels (depth, height, width).
    ///
    /// # Errors
    /// A grid that is too small or too large, or an operation without a kernel.
    pub fn new(graph: &Graph, grid: [usize; 3], mut options: Options) -> Result<Plan, Error> {
        check_grid(graph, grid)?;
        options.policy.portable_only |= graph.is_quantised();
        let fuse::Fused {
            mut tensors,
            mut steps,
            normalisations,
        } = fuse::fuse(graph, grid)?;
        for step in &steps {
            for id in step.inputs() {
                let halo = &mut tensors[id].shape.halo;
                *halo = (*halo).max(step.halo(id));
            }
        }
        let convs: Vec<_> = steps
            .iter()
            .map(|step| match &step.work {
                Work::Conv(conv) => Some(ConvChoice::new(conv, &tensors, options.policy)),
                _ => None,
            })
            .collect();
        for (step, conv) in steps.iter_mut().zip(&convs) {
            step.planes = conv.as_ref().map_or(1, ConvChoice::planes);
        }
        let groups = stream::group(&steps, &mut tensors, options.threads.max(1));
        let mut stages: Vec<Stage> = groups
            .into_iter()
            .map(|group| Stage::new(group, &tensors, &steps, &convs))
            .collect();
        let arena_bytes = memory::lay_out(&mut tensors, &steps, &mut stages);
        Ok(Plan {
            tensors,
            steps,
            convs,
            stages,
            normalisations,
            arena_bytes,
            options,
        })
    }

    /// Depth, height and width of the input image.
    pub fn grid(&self) -> [usize; 3] {
        self.tensors[0].grid()
    }

    /// The result's tensor.
    pub fn result(&self) -> &Tensor {
        &self.tensors[self.tensors.len() - 1]
    }

    /// Whether the weights of step `index` are brought into their kernel's form in every run.
    pub fn has_passing_weights(&self, index: usize) -> bool {
        let mut stages = self.stages.iter();
        stages.any(|stage| stage.weights_len > 0 && stage.group.steps.contains(&index))
    }

    /// Bytes of weights that are kept in a form of the kernels' own.
    pub fn prepared_bytes(&self) -> usize {
        let kept =
            (self.convs.iter().enumerate()).filter(|(index, _)| !self.has_passing_weights(*index));
        let lens = kept.filter_map(|(_, conv)| Some(conv.as_ref()?.prepared_len()));
        lens.sum::<usize>() * size_of::<f32>()
    }

    /// Bytes that step `index` reads and writes, each once: tensors, and weights as packed.
    pub fn step_bytes(&self, index: usize) -> usize {
        let step = &self.steps[index];
        let outputs = step.outputs().into_iter().flatten();
        let tensors = step.inputs().into_iter().chain(outputs);
        let tensors: usize = tensors.map(|id| self.tensors[id].bytes()).sum();
        tensors
            + self.convs[index]
                .as_ref()
                .map_or(0, ConvChoice::packed_bytes)
    }

    /// Multiply-accumulates of one run, padding channels included, recomputation at cuts not.
    pub fn macs(&self) -> u64 {
        let convs = self.convs.iter().zip(&self.steps);
        convs
            .filter_map(|(conv, step)| Some(conv.as_ref()?.macs() * step.depth as u64))
            .sum()
    }
}

/// Every extent must stay whole through the network's strides, so that skips meet their partners.
fn check_grid(graph: &Graph, grid: [usize; 3]) -> Result<(), Error> {
    let fail = |cause: String| Err(Error::Grid { grid, cause });
    if grid
        .iter()
        .any(|&extent| !(1..=MAX_EXTENT).contains(&extent))
    {
        return fail(format!("has an edge outside 1..={MAX_EXTENT}"));
    }
    let mut shrinkage = vec![1; graph.nodes().len()];
    let mut deepest = 1;
    for (index, node) in graph.nodes().iter().enumerate() {
        let from = node
            .inputs
            .iter()
            .map(|&input| shrinkage[input])
            .max()
            .unwrap_or(1_usize);
        let (up, down) = node.op.magnification();
        shrinkage[index] = (from.saturating_mul(down) / up).max(1);
        deepest = deepest.max(shrinkage[index]);
    }
    if grid.iter().any(|&extent| extent % deepest != 0) {
        return fail(format!(
            "is not a multiple of {deepest}, which the network needs"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A residual block at full resolution, a strided convolution, and the way back up.
    const NETWORK: &str = "\
input image channels=1
conv c0 image out=16 kernel=3 stride=1 dilation=1
leaky_relu a0 c0 slope=0.01
conv c1 a0 out=16 kernel=3 stride=1 dilation=1
leaky_relu a1 c1 slope=0.01
conv c2 a1 out=16 kernel=3 stride=1 dilation=1
add x c2 c0
conv down x out=32 kernel=3 stride=2 dilation=1
leaky_relu low down slope=0.01
conv shrink low out=16 kernel=1 stride=1 dilation=1
upsample up shrink factor=2
affine skip x
leaky_relu skip.act skip slope=0.01
concat joined up skip.act
conv d0 joined out=16 kernel=3 stride=1 dilation=1
conv last d0 out=2 kernel=1 stride=1 dilation=1
sigmoid probability last
";

    fn plan(text: &str, grid: [usize; 3], threads: usize) -> Result<Plan, Error> {
        let graph = Graph::parse(text).unwrap();
        Plan::new(
            &graph,
            grid,
            Options {
                threads,
                ..Options::default()
            },
        )
    }

    fn step<'p>(plan: &'p Plan, name: &str) -> &'p Step {
        plan.steps.iter().find(|step| step.name == name).unwrap()
    }

    #[test]
    fn sums_maps_and_activations_fuse_into_convolutions() {
        let plan = plan(NETWORK, [16; 3], 1).unwrap();
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        let expected = [
            "c0",
            "c1",
            "c2",
            "down",
            "shrink",
            "up",
            "d0",
            "last",
            "probability",
        ];
        assert_eq!(names, expected);
        let Work::Conv(conv) = &step(&plan, "c2").work else {
            panic!()
        };
        assert_eq!(
            conv.residual.map(|id| plan.tensors[id].name.as_str()),
            Some("c0")
        );
        assert_eq!(conv.activated.as_ref().map(|a| a.1), Some(0.01));
        let Work::Conv(conv) = &step(&plan, "c1").work else {
            panic!()
        };
        assert_eq!((conv.slope, conv.activated.is_some()), (0.01, false));
    }

    #[test]
    fn full_resolution_streams_through_rings() {
        let plan = plan(NETWORK, [128; 3], 2).unwrap();
        let whole: Vec<&str> = plan
            .tensors
            .iter()
            .filter(|tensor| matches!(tensor.home, Home::Whole { .. }))
            .map(|tensor| tensor.name.as_str())
            .collect();
        assert_eq!(whole, ["image", "skip.act", "low", "shrink", "probability"]);
        for tensor in &plan.tensors {
            if let Home::Ring { slots, .. } = tensor.home {
                assert!((1..=6).contains(&slots), "{}: {slots} planes", tensor.name);
            }
        }
    }

    #[test]
    fn regions_of_a_stage_are_disjoint_and_inside_the_arena() {
        for threads in [1, 2, 3, 16] {
            let plan = plan(NETWORK, [128, 64, 96], threads).unwrap();
            for stage in &plan.stages {
                let mut end = 0;
                for region in &stage.regions {
                    assert!(region.offset >= end);
                    end = region.offset + region.len;
                }
                assert!(end <= plan.arena_bytes);
            }
        }
    }

    #[test]
    fn grids_that_do_not_divide_are_refused() {
        let error = plan(NETWORK, [15, 16, 16], 1).unwrap_err();
        assert!(error.to_string().contains("multiple of 2"), "{error}");
        assert!(plan(NETWORK, [0, 16, 16], 1).is_err());
        assert!(plan(NETWORK, [2048, 16, 16], 1).is_err());
    }

    #[test]
    fn a_network_that_shrinks_without_end_is_refused() {
        let mut text = "input x channels=1\n".to_string();
        let mut from = "x".to_string();
        for level in 0..70 {
            text += &format!("conv c{level} {from} out=1 kernel=3 stride=2 dilation=1\n");
            from = format!("c{level}");
        }
        let error = plan(&text, [1024; 3], 1).unwrap_err();
        assert!(error.to_string().contains("not a multiple"), "{error}");
    }

    /// Graphs that the format allows and the engine's steps cannot compute, or only unfused.
    #[test]
    fn graphs_beyond_the_engine_are_refused_by_name() {
        for (text, cause) in [
            ("input x channels=1\n", "node 'x' cannot be a result"),
            (
                "input x channels=1\nsigmoid p x\n",
                "node 'p' reads a value that is not stored as one tensor",
            ),
            (
                "input x channels=1\nconv c x out=1 kernel=3 stride=1 dilation=1\nadd s c x\n",
                "node 's' reads a value that is not stored as one tensor",
            ),
            (
                "input x channels=1\nconv c x out=1 kernel=3 stride=1 dilation=1\n\
                 conv d c out=1 kernel=3 stride=2 dilation=1\nadd s d c\n",
                "node 's' adds tensors of different grids",
            ),
            (
                "input x channels=1\nconv c x out=1 kernel=3 stride=1 dilation=1\n\
                 upsample u c factor=64\nupsample v u factor=64\n",
                "node 'v' magnifies beyond the largest grid",
            ),
        ] {
            let error = plan(text, [16; 3], 1).unwrap_err();
            assert_eq!(error.to_string(), cause, "{text}");
        }
    }

    #[test]
    fn unsupported_nodes_are_named() {
        let text = "input image channels=1\ngelu g image\n";
        let error = plan(text, [8; 3], 1).unwrap_err();
        assert!(
            matches!(&error, Error::Unsupported { node, .. } if node == "g"),
            "{error}"
        );
    }
}
