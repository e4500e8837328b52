//! From the graph to steps: convolutions swallow the sums, affine maps and activations around them, and
//! what is only ever read quantised is stored quantised.

use endocast_kernels::contract::{Activation, GROUP, Link, MAX_TERMS, PlaneShape, upsample_taps};
use endocast_weights::{Graph, Node, Op, Quantisation};

use super::step::{Coefficients, Conv, Element, Home, Layout, Step, Tensor, TensorId, Work};
use super::stream::MAX_INPUTS;
use super::{Error, MAX_EXTENT, Normalisation};

/// Most channels of an image that a convolution can read.
const MAX_PLANAR: usize = GROUP;

/// Steps in an order that respects their data, and the tensors between them; tensor 0 is the image.
#[derive(Debug)]
pub struct Fused {
    /// Tensors; halo and home are still unset.
    pub tensors: Vec<Tensor>,
    /// Steps.
    pub steps: Vec<Step>,
    /// Instance normalisations.
    pub normalisations: Vec<Normalisation>,
}

/// Fuses `graph` for an input image of `grid` voxels (depth, height, width).
///
/// # Errors
/// [`Error::Unsupported`] names the node that has no kernel.
pub fn fuse(graph: &Graph, grid: [usize; 3]) -> Result<Fused, Error> {
    let mut consumers = vec![Vec::new(); graph.nodes().len()];
    for (index, node) in graph.nodes().iter().enumerate() {
        for &input in &node.inputs {
            consumers[input].push(index);
        }
    }
    let nodes = graph.nodes();
    let elements = elements(nodes, &consumers);
    let mut fuser = Fuser {
        nodes,
        consumers,
        elements,
        values: vec![Value::Pending; nodes.len()],
        fused: Fused {
            tensors: Vec::new(),
            steps: Vec::new(),
            normalisations: Vec::new(),
        },
    };
    for index in 0..nodes.len() {
        if matches!(fuser.values[index], Value::Pending) {
            fuser.visit(index, grid)?;
        }
    }
    fuser.finish()
}

/// What is known of a graph node's value.
#[derive(Clone, Debug)]
enum Value {
    Pending,
    /// Exists only inside a fused step.
    Swallowed,
    Tensor(TensorId),
    Concat(Vec<TensorId>),
}

struct Fuser<'g> {
    nodes: &'g [Node],
    consumers: Vec<Vec<usize>>,
    /// Per node, what its value is stored as.
    elements: Vec<Element>,
    values: Vec<Value>,
    fused: Fused,
}

impl Fuser<'_> {
    fn visit(&mut self, index: usize, grid: [usize; 3]) -> Result<(), Error> {
        let node = &self.nodes[index];
        match node.op {
            Op::Input { .. } => {
                let image = self.tensor(index, grid, Layout::Planar, Element::F32);
                self.values[index] = Value::Tensor(image);
            }
            Op::Conv { .. } => self.conv(index)?,
            Op::Upsample { factor } => self.upsample(index, factor)?,
            Op::Concat => {
                let mut parts = Vec::new();
                for &input in &node.inputs {
                    match &self.values[input] {
                        Value::Tensor(id) => parts.push(*id),
                        Value::Concat(ids) => parts.extend(ids),
                        _ => {
                            return Err(self.unsupported(index, "reads a value that is not stored"));
                        }
                    }
                }
                if parts.iter().any(|&id| self.grid(id) != self.grid(parts[0])) {
                    return Err(self.unsupported(index, "joins tensors of different grids"));
                }
                self.values[index] = Value::Concat(parts);
            }
            Op::Affine => self.pointwise(index, Coefficients::Node(index))?,
            Op::InstanceNorm { epsilon } => {
                let measured = self.input(index, 0)?;
                let normalisation = Normalisation {
                    measured,
                    node: index,
                    epsilon,
                };
                self.fused.normalisations.push(normalisation);
                let coefficients = Coefficients::Normalised(self.fused.normalisations.len() - 1);
                self.pointwise(index, coefficients)?;
            }
            Op::Quantize(quantisation) => self.quantise(index, quantisation)?,
            Op::LeakyRelu { .. } | Op::Gelu | Op::Add => {
                self.pointwise(index, Coefficients::Identity)?;
            }
            Op::Sigmoid | Op::Softmax => {
                if index + 1 != self.nodes.len() {
                    return Err(self.unsupported(index, "is not the last node"));
                }
            }
        }
        Ok(())
    }

    /// A convolution, then as much of `+ residual`, leaky ReLU and `affine, leaky ReLU` as follows it.
    fn conv(&mut self, index: usize) -> Result<(), Error> {
        let node = &self.nodes[index];
        let Op::Conv {
            kernel,
            stride,
            dilation,
            ..
        } = node.op
        else {
            unreachable!()
        };
        let sources = match &self.values[node.inputs[0]] {
            Value::Tensor(id) => vec![*id],
            Value::Concat(ids) => ids.clone(),
            _ => return Err(self.unsupported(index, "reads a value that is not stored")),
        };
        if sources.len() >= MAX_INPUTS {
            return Err(self.unsupported(index, "reads too many tensors"));
        }
        let tensors = &self.fused.tensors;
        let image = |&id: &TensorId| tensors[id].layout != Layout::Blocked;
        if sources.iter().any(image) && (sources.len() > 1 || self.nodes[0].channels > MAX_PLANAR) {
            return Err(self.unsupported(index, "reads too many image channels"));
        }
        let quantised = tensors[sources[0]].element != Element::F32;
        let blocks: usize = sources.iter().map(|&id| tensors[id].blocks()).sum();
        if quantised && blocks * kernel.pow(3) > MAX_TERMS {
            return Err(self.unsupported(index, "reads too many channels for 32-bit sums"));
        }
        let grid = self.grid(sources[0]).map(|extent| extent.div_ceil(stride));

        let mut tail = index;
        let mut residual = None;
        if let Some(sum) = self.only_consumer(tail)
            && self.nodes[sum].op == Op::Add
        {
            let other = self.nodes[sum].inputs.iter().find(|&&input| input != tail);
            if let Some(Value::Tensor(id)) = other.map(|&other| &self.values[other])
                && self.fused.tensors[*id].layout == Layout::Blocked
                && self.grid(*id) == grid
            {
                residual = Some(*id);
                self.values[tail] = Value::Swallowed;
                tail = sum;
            }
        }
        let mut slope = 1.0;
        if let Some((leaky, factor)) = self.only_leaky(tail) {
            slope = factor;
            self.values[tail] = Value::Swallowed;
            tail = leaky;
        }
        let second = self.second_store(tail);
        let mut others = self.consumers[tail].clone();
        let activated = second.map(|(coefficients, slope, swallowed)| {
            others.retain(|&other| other != swallowed[0]);
            for &inner in &swallowed {
                self.values[inner] = Value::Swallowed;
            }
            let end = swallowed[swallowed.len() - 1];
            (coefficients, slope, self.store(end, grid))
        });
        let stored = !others.is_empty() || activated.is_none();
        let raw = stored.then(|| {
            let element = common(&others, self.nodes, &self.elements);
            self.tensor(tail, grid, Layout::Blocked, element)
        });
        self.values[tail] = raw.map_or(Value::Swallowed, Value::Tensor);

        let conv = Conv {
            node: index,
            kernel,
            stride,
            dilation,
            sources,
            residual,
            slope,
            raw,
            activated,
        };
        self.step(index, Work::Conv(conv), grid[0]);
        Ok(())
    }

    /// What a convolution with the value `tail` can store beside it: an affine map and a leaky ReLU of it,
    /// or else its quantised form, with the nodes that this swallows.
    fn second_store(&self, tail: usize) -> Option<(Coefficients, f32, Vec<usize>)> {
        let consumers = self.consumers[tail].iter();
        let activated = consumers
            .clone()
            .find_map(|&next| match self.nodes[next].op {
                Op::Affine => Some(match self.only_leaky(next) {
                    Some((leaky, slope)) => (Coefficients::Node(next), slope, vec![next, leaky]),
                    None => (Coefficients::Node(next), 1.0, vec![next]),
                }),
                Op::LeakyRelu { slope } => Some((Coefficients::Identity, slope, vec![next])),
                _ => None,
            });
        let mut quantised =
            consumers.filter(|&&next| matches!(self.nodes[next].op, Op::Quantize(_)));
        activated.or_else(|| match self.elements[tail] {
            Element::F32 => Some((Coefficients::Identity, 1.0, vec![*quantised.next()?])),
            Element::U8(_) => None,
        })
    }

    fn upsample(&mut self, index: usize, factor: usize) -> Result<(), Error> {
        let source = self.input(index, 0)?;
        let from = self.grid(source);
        let grid = from.map(|extent| extent * factor);
        if grid.iter().any(|&extent| extent > MAX_EXTENT) {
            return Err(self.unsupported(index, "magnifies beyond the largest grid"));
        }
        let [planes, rows, columns] = from.map(|extent| upsample_taps(extent, factor).collect());
        let (slope, out) = match self.only_leaky(index) {
            Some((leaky, slope)) => {
                self.values[index] = Value::Swallowed;
                (slope, self.store(leaky, grid))
            }
            None => (1.0, self.store(index, grid)),
        };
        self.step(
            index,
            Work::Upsample {
                source,
                planes,
                rows,
                columns,
                slope,
                out,
            },
            grid[0],
        );
        Ok(())
    }

    /// A lone affine map, sum, normalisation or activation; swallows the activation that follows it.
    fn pointwise(&mut self, index: usize, coefficients: Coefficients) -> Result<(), Error> {
        let source = self.input(index, 0)?;
        let grid = self.grid(source);
        let addend = match self.nodes[index].op {
            Op::Add => Some(self.input(index, 1)?),
            _ => None,
        };
        if addend.is_some_and(|addend| self.grid(addend) != grid) {
            return Err(self.unsupported(index, "adds tensors of different grids"));
        }
        let own = activation(self.nodes[index].op);
        let next = self.only_consumer(index).filter(|_| own.is_none());
        let swallowed = next.and_then(|next| Some((next, activation(self.nodes[next].op)?)));
        let (end, activation) = match swallowed {
            Some((next, activation)) => {
                self.values[index] = Value::Swallowed;
                (next, activation)
            }
            None => (index, own.unwrap_or(Activation::Leaky { slope: 1.0 })),
        };
        let out = self.store(end, grid);
        let work = Work::Pointwise {
            source,
            addend,
            coefficients,
            activation,
            out,
        };
        self.step(index, work, grid[0]);
        Ok(())
    }

    /// A value that is read quantised: nothing to do where it is stored so already.
    fn quantise(&mut self, index: usize, quantisation: Quantisation) -> Result<(), Error> {
        let parts = match &self.values[self.nodes[index].inputs[0]] {
            Value::Tensor(id) => vec![*id],
            Value::Concat(ids) => ids.clone(),
            _ => return Err(self.unsupported(index, "reads a value that is not stored")),
        };
        let mut quantised = Vec::new();
        for source in parts {
            let from = &self.fused.tensors[source];
            let (grid, layout, channels) = (from.grid(), from.layout, from.channels);
            if from.element == Element::U8(quantisation) {
                quantised.push(source);
                continue;
            }
            if layout == Layout::Planar && channels > MAX_PLANAR {
                return Err(self.unsupported(index, "reads too many image channels"));
            }
            let layout = match layout {
                Layout::Planar => Layout::Interleaved,
                other => other,
            };
            let out = self.tensor(index, grid, layout, Element::U8(quantisation));
            self.fused.tensors[out].channels = channels;
            let work = match layout {
                Layout::Interleaved => Work::Quantise { source, out },
                _ => Work::Pointwise {
                    source,
                    addend: None,
                    coefficients: Coefficients::Identity,
                    activation: Activation::Leaky { slope: 1.0 },
                    out,
                },
            };
            self.step(index, work, grid[0]);
            quantised.push(out);
        }
        self.values[index] = match quantised[..] {
            [only] => Value::Tensor(only),
            _ => Value::Concat(quantised),
        };
        Ok(())
    }

    /// Adds the step that delivers the result.
    fn finish(mut self) -> Result<Fused, Error> {
        let last = self.nodes.len() - 1;
        let (link, source) = match self.nodes[last].op {
            Op::Sigmoid => (Link::Sigmoid, self.input(last, 0)?),
            Op::Softmax => (Link::Softmax, self.input(last, 0)?),
            _ => match self.values[last] {
                Value::Tensor(id) if self.fused.tensors[id].layout == Layout::Blocked => {
                    (Link::Identity, id)
                }
                _ => return Err(self.unsupported(last, "cannot be a result")),
            },
        };
        if self.can_be_planar(source) {
            self.fused.tensors[source].layout = Layout::Planar;
        }
        let grid = self.grid(source);
        let out = self.tensor(last, grid, Layout::Planar, Element::F32);
        self.step(last, Work::Result { source, link, out }, grid[0]);
        for Normalisation { measured, node, .. } in &self.fused.normalisations {
            let mut steps = self.fused.steps.iter_mut();
            match steps.find(|step| step.outputs()[0] == Some(*measured)) {
                Some(step) => step.measured = true,
                None => {
                    return Err(self.unsupported(*node, "normalises a value that is not stored"));
                }
            }
        }
        Ok(self.fused)
    }

    /// Whether a convolution can store tensor `id` planar, and no step reads it.
    fn can_be_planar(&self, id: TensorId) -> bool {
        let blocked = |id: &TensorId| self.fused.tensors[*id].layout == Layout::Blocked;
        let mut steps = self.fused.steps.iter();
        let stored = steps.clone().any(|step| match &step.work {
            Work::Conv(conv) => {
                let plain = conv.residual.is_none() && conv.activated.is_none();
                plain
                    && conv.raw == Some(id)
                    && (conv.kernel, conv.stride) == (1, 1)
                    && conv.sources.iter().all(blocked)
            }
            _ => false,
        });
        stored && !steps.any(|step| step.inputs().contains(&id))
    }

    fn store(&mut self, node: usize, grid: [usize; 3]) -> TensorId {
        let id = self.tensor(node, grid, Layout::Blocked, self.elements[node]);
        self.values[node] = Value::Tensor(id);
        id
    }

    fn tensor(
        &mut self,
        node: usize,
        grid: [usize; 3],
        layout: Layout,
        element: Element,
    ) -> TensorId {
        let [depth, height, width] = grid;
        self.fused.tensors.push(Tensor {
            name: self.nodes[node].name.clone(),
            channels: self.nodes[node].channels,
            layout,
            element,
            depth,
            shape: PlaneShape {
                height,
                width,
                halo: 0,
            },
            home: Home::Whole { offset: 0 },
        });
        self.fused.tensors.len() - 1
    }

    fn step(&mut self, node: usize, work: Work, depth: usize) {
        let name = self.nodes[node].name.clone();
        self.fused.steps.push(Step {
            name,
            work,
            depth,
            planes: 1,
            measured: false,
        });
    }

    /// The blocked tensor that holds input number `which` of node `index`.
    fn input(&self, index: usize, which: usize) -> Result<TensorId, Error> {
        match self.values[self.nodes[index].inputs[which]] {
            Value::Tensor(id) if self.fused.tensors[id].layout == Layout::Blocked => Ok(id),
            _ => Err(self.unsupported(index, "reads a value that is not stored as one tensor")),
        }
    }

    fn grid(&self, id: TensorId) -> [usize; 3] {
        self.fused.tensors[id].grid()
    }

    fn only_consumer(&self, node: usize) -> Option<usize> {
        match self.consumers[node][..] {
            [only] => Some(only),
            _ => None,
        }
    }

    fn only_leaky(&self, node: usize) -> Option<(usize, f32)> {
        let next = self.only_consumer(node)?;
        match self.nodes[next].op {
            Op::LeakyRelu { slope } => Some((next, slope)),
            _ => None,
        }
    }

    fn unsupported(&self, index: usize, cause: &'static str) -> Error {
        Error::Unsupported {
            node: self.nodes[index].name.clone(),
            cause,
        }
    }
}

/// What the value of each node is stored as, if it is stored: 8-bit integers where all that read it read
/// the same ones, single precision otherwise.
fn elements(nodes: &[Node], consumers: &[Vec<usize>]) -> Vec<Element> {
    let mut elements = vec![Element::F32; nodes.len()];
    for index in (0..nodes.len()).rev() {
        elements[index] = match nodes[index].op {
            Op::Quantize(quantisation) => Element::U8(quantisation),
            Op::Input { .. } => Element::F32,
            _ => common(&consumers[index], nodes, &elements),
        };
    }
    elements
}

/// What a value is stored as that just `consumers` read.
fn common(consumers: &[usize], nodes: &[Node], elements: &[Element]) -> Element {
    let wanted = |&consumer: &usize| match nodes[consumer].op {
        Op::Quantize(_) | Op::Concat => elements[consumer],
        _ => Element::F32,
    };
    let first = consumers.first().map_or(Element::F32, wanted);
    if consumers.iter().all(|consumer| wanted(consumer) == first) {
        first
    } else {
        Element::F32
    }
}

fn activation(op: Op) -> Option<Activation> {
    match op {
        Op::LeakyRelu { slope } => Some(Activation::Leaky { slope }),
        Op::Gelu => Some(Activation::Gelu),
        _ => None,
    }
}
