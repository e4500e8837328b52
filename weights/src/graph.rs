//! A network as data: a list of nodes over a small, fixed set of operations.
//!
//! The graph travels inside the model file as text, one node per line:
//!
//! ```text
//! input      image      channels=1
//! conv       ins.conv0  image      out=16 kernel=3 stride=1 dilation=1
//! affine     ins.in_0   ins.conv0
//! leaky_relu ins.act_0  ins.in_0   slope=0.01
//! add        ins        ins.conv2 ins.conv0
//! upsample   us_0.up    de_1       factor=2
//! concat     out.cat    us_0 ins
//! quantize   out.q      out.cat    scale=2.5e-2 zero=3
//! sigmoid    prob       out.conv3
//! ```
//!
//! A line is `operation name input… key=value…`, separated by spaces. Inputs name earlier lines, so
//! the list is in topological order by construction; the first line is the only `input`, the last
//! line is the network's output.

use std::collections::HashMap;
use std::fmt;

/// Most nodes a graph may have; a reader refuses more before it allocates.
pub const MAX_NODES: usize = 4096;
/// Most channels a node may have.
pub const MAX_CHANNELS: usize = 4096;
/// Most factors behind one output of an int8 convolution: their products with 8-bit values always fit
/// into a 32-bit sum.
pub const MAX_INT8_FACTORS: usize = 1 << 16;
/// Range of the scale of a `quantize` node: it and its reciprocal are normal numbers.
const SCALES: std::ops::RangeInclusive<f32> = 1e-30..=1e30;

/// One operation. Every operation works on volumes of shape `[channels, depth, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The network's input image.
    Input {
        /// Number of image channels.
        channels: usize,
    },
    /// Zero-padded convolution with tensors `<name>.weight` and `<name>.bias`; the padding keeps the
    /// grid (divided by `stride`). If its input is a `quantize` node, its weights are 8-bit integers
    /// with a factor `<name>.scale` per output channel.
    Conv {
        /// Output channels.
        out: usize,
        /// Edge of the cubic kernel: 1 or 3.
        kernel: usize,
        /// Distance between output voxels on the input grid: 1 or 2.
        stride: usize,
        /// Distance between kernel taps, in voxels.
        dilation: usize,
    },
    /// `y = scale[c] * x + shift[c]` with tensors `<name>.scale` and `<name>.shift`.
    Affine,
    /// Instance normalisation with the mean and variance of this image, per channel:
    /// `y = scale[c] * (x - mean) / sqrt(var + epsilon) + shift[c]`.
    InstanceNorm {
        /// Added to the (biased) variance.
        epsilon: f32,
    },
    /// `max(x, slope * x)`, `0 <= slope <= 1`.
    LeakyRelu {
        /// Factor on negative values.
        slope: f32,
    },
    /// `x / 2 * (1 + erf(x / sqrt 2))`.
    Gelu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Exponentials divided by their sum over the channels of a voxel.
    Softmax,
    /// Trilinear interpolation to `factor` times the grid, corners aligned.
    Upsample {
        /// Whole-number magnification per axis.
        factor: usize,
    },
    /// Voxel-wise sum of two inputs of the same shape.
    Add,
    /// Channels of all inputs, in order.
    Concat,
    /// To 8-bit integers, for the convolutions that read it and nothing else.
    Quantize(Quantisation),
}

/// Which real numbers 8-bit integers stand for: `x = scale * (q - zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantisation {
    /// Distance between neighbouring numbers.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero: u8,
}

impl Quantisation {
    /// The integer that stands for the number nearest to `x`:
    /// `clamp(round(x * (1 / scale)) + zero, 0, 255)`, halves to even, in single precision.
    pub fn quantise(&self, x: f32) -> u8 {
        let steps = (x * (1.0 / self.scale)).round_ties_even();
        (steps + f32::from(self.zero)).clamp(0.0, 255.0) as u8
    }
}

impl Op {
    /// The word that stands for this operation in the text form.
    pub fn keyword(&self) -> &'static str {
        match self {
            Op::Input { .. } => "input",
            Op::Conv { .. } => "conv",
            Op::Affine => "affine",
            Op::InstanceNorm { .. } => "instance_norm",
            Op::LeakyRelu { .. } => "leaky_relu",
            Op::Gelu => "gelu",
            Op::Sigmoid => "sigmoid",
            Op::Softmax => "softmax",
            Op::Upsample { .. } => "upsample",
            Op::Add => "add",
            Op::Concat => "concat",
            Op::Quantize(_) => "quantize",
        }
    }

    /// Grid magnification as a fraction: the output grid is the input's times `.0 / .1`.
    pub fn magnification(&self) -> (usize, usize) {
        match *self {
            Op::Conv { stride, .. } => (1, stride),
            Op::Upsample { factor } => (factor, 1),
            _ => (1, 1),
        }
    }
}

/// One line of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique name; prefixes the names of the node's tensors.
    pub name: String,
    /// What the node computes.
    pub op: Op,
    /// Indices of earlier nodes.
    pub inputs: Vec<usize>,
    /// Channels of the result.
    pub channels: usize,
}

/// A network: nodes in topological order, the input first, the output last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
}

/// Why a text is not a graph, or a node does not fit into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    /// Line of the text, counted from 1; for a built graph the number of the node.
    pub line: usize,
    /// What is wrong with it.
    pub cause: String,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "graph line {}: {}", self.line, self.cause)
    }
}

impl std::error::Error for GraphError {}

impl Graph {
    /// The nodes, in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node whose result is the network's output; `None` for an empty graph.
    pub fn output(&self) -> Option<&Node> {
        self.nodes.last()
    }

    /// Channels of the input image; 0 for an empty graph.
    pub fn input_channels(&self) -> usize {
        self.nodes.first().map_or(0, |node| node.channels)
    }

    /// Index of the node called `name`.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The nodes whose channels, one after the other, are the channels that `node` reads through its
    /// first input.
    ///
    /// Looks back through operations that treat every channel alone (affine, instance norm, leaky
    /// ReLU, GELU, quantize) and takes concatenations apart; `[0]` if `node` reads only the image.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn sources(&self, node: usize) -> Vec<usize> {
        let mut sources = Vec::new();
        let mut pending: Vec<usize> = self.nodes[node]
            .inputs
            .first()
            .copied()
            .into_iter()
            .collect();
        while let Some(index) = pending.pop() {
            let node = &self.nodes[index];
            match node.op {
                Op::Affine
                | Op::InstanceNorm { .. }
                | Op::LeakyRelu { .. }
                | Op::Gelu
                | Op::Quantize(_) => pending.push(node.inputs[0]),
                Op::Concat => pending.extend(node.inputs.iter().rev()),
                _ => sources.push(index),
            }
        }
        sources
    }

    /// How the input of the int8 convolution `node` is quantised; `None` if `node` is anything else.
    pub fn quantisation(&self, node: usize) -> Option<Quantisation> {
        let found = self.nodes.get(node)?;
        match (found.op, self.nodes[*found.inputs.first()?].op) {
            (Op::Conv { .. }, Op::Quantize(quantisation)) => Some(quantisation),
            _ => None,
        }
    }

    /// Whether any value is quantised.
    pub fn is_quantised(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| matches!(node.op, Op::Quantize(_)))
    }

    /// Appends a node and returns its index.
    ///
    /// # Errors
    /// A malformed or repeated name, inputs that do not exist, channels that do not match, or
    /// parameters outside the operation's range.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[usize]) -> Result<usize, GraphError> {
        let index = self.nodes.len();
        let fail = |cause: String| {
            Err(GraphError {
                line: index + 1,
                cause,
            })
        };
        if index >= MAX_NODES {
            return fail(format!("more than {MAX_NODES} nodes"));
        }
        if name.is_empty() || name.len() > 128 || !name.bytes().all(is_name_byte) {
            return fail(format!(
                "'{}' is not a name of [A-Za-z0-9_.-]",
                name.escape_default()
            ));
        }
        if self.find(name).is_some() {
            return fail(format!("'{name}' is defined twice"));
        }
        if inputs.iter().any(|&input| input >= index) {
            return fail(format!(
                "'{name}' reads a node that does not come before it"
            ));
        }
        if matches!(op, Op::Input { .. }) != (index == 0) {
            return fail("the first node, and no other, is the input".into());
        }
        let widths: Vec<usize> = inputs
            .iter()
            .map(|&input| self.nodes[input].channels)
            .collect();
        if let Some(&input) = inputs
            .iter()
            .find(|&&input| matches!(self.nodes[input].op, Op::Quantize(_)))
        {
            let Op::Conv { kernel, .. } = op else {
                let quantised = &self.nodes[input].name;
                return fail(format!("'{name}': only convolutions read '{quantised}'"));
            };
            if widths[0].saturating_mul(kernel.pow(3)) > MAX_INT8_FACTORS {
                return fail(format!("'{name}': too many channels for 32-bit sums"));
            }
        }
        match output_channels(op, &widths) {
            Ok(channels) => {
                self.nodes.push(Node {
                    name: name.into(),
                    op,
                    inputs: inputs.to_vec(),
                    channels,
                });
                Ok(index)
            }
            Err(cause) => fail(format!("'{name}': {cause}")),
        }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// The first line that is malformed or does not fit, with the cause.
    pub fn parse(text: &str) -> Result<Graph, GraphError> {
        let mut graph = Graph::default();
        let mut index_of: HashMap<String, usize> = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let fail = |cause: String| GraphError {
                line: number + 1,
                cause,
            };
            let mut words = line.split_ascii_whitespace();
            let (Some(keyword), Some(name)) = (words.next(), words.next()) else {
                return Err(fail("an operation and a name are needed".into()));
            };
            let mut inputs = Vec::new();
            let mut keys = Vec::new();
            for word in words {
                if let Some((key, value)) = word.split_once('=') {
                    keys.push((key, value));
                } else if !keys.is_empty() {
                    return Err(fail(format!("'{word}' stands after the parameters")));
                } else {
                    let input = index_of.get(word);
                    inputs.push(*input.ok_or_else(|| fail(format!("unknown input '{word}'")))?);
                }
            }
            let op = parse_op(keyword, &keys).map_err(fail)?;
            let index = graph
                .push(name, op, &inputs)
                .map_err(|error| fail(error.cause))?;
            index_of.insert(name.into(), index);
        }
        let cause = match graph.output().map(|node| node.op) {
            None => "the graph is empty",
            Some(Op::Quantize(_)) => "the output is quantised",
            Some(_) => return Ok(graph),
        };
        Err(GraphError {
            line: graph.nodes.len().max(1),
            cause: cause.into(),
        })
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            write!(f, "{} {}", node.op.keyword(), node.name)?;
            for &input in &node.inputs {
                write!(f, " {}", self.nodes[input].name)?;
            }
            match node.op {
                Op::Input { channels } => write!(f, " channels={channels}")?,
                Op::Conv {
                    out,
                    kernel,
                    stride,
                    dilation,
                } => {
                    write!(
                        f,
                        " out={out} kernel={kernel} stride={stride} dilation={dilation}"
                    )?;
                }
                Op::InstanceNorm { epsilon } => write!(f, " epsilon={epsilon:e}")?,
                Op::LeakyRelu { slope } => write!(f, " slope={slope}")?,
                Op::Upsample { factor } => write!(f, " factor={factor}")?,
                Op::Quantize(Quantisation { scale, zero }) => {
                    write!(f, " scale={scale:e} zero={zero}")?;
                }
                _ => {}
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn parse_op(keyword: &str, keys: &[(&str, &str)]) -> Result<Op, String> {
    let mut taken = 0;
    let mut text = |key: &str| {
        let mut found = keys.iter().filter(|(name, _)| *name == key);
        let value = found
            .next()
            .ok_or_else(|| format!("'{keyword}' needs {key}="))?
            .1;
        taken += 1;
        if found.next().is_some() {
            Err(format!("{key}= is given twice"))
        } else {
            Ok(value)
        }
    };
    let whole = |value: &str| {
        value
            .parse::<usize>()
            .map_err(|_| format!("'{value}' is not a whole number"))
    };
    let real = |value: &str| match value.parse::<f32>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("'{value}' is not a finite number")),
    };
    let op = match keyword {
        "input" => Op::Input {
            channels: whole(text("channels")?)?,
        },
        "conv" => Op::Conv {
            out: whole(text("out")?)?,
            kernel: whole(text("kernel")?)?,
            stride: whole(text("stride")?)?,
            dilation: whole(text("dilation")?)?,
        },
        "affine" => Op::Affine,
        "instance_norm" => Op::InstanceNorm {
            epsilon: real(text("epsilon")?)?,
        },
        "leaky_relu" => Op::LeakyRelu {
            slope: real(text("slope")?)?,
        },
        "gelu" => Op::Gelu,
        "sigmoid" => Op::Sigmoid,
        "softmax" => Op::Softmax,
        "upsample" => Op::Upsample {
            factor: whole(text("factor")?)?,
        },
        "add" => Op::Add,
        "concat" => Op::Concat,
        "quantize" => Op::Quantize(Quantisation {
            scale: real(text("scale")?)?,
            zero: text("zero")?
                .parse()
                .map_err(|_| "zero= is not a whole number from 0 to 255".to_string())?,
        }),
        _ => return Err(format!("unknown operation '{}'", keyword.escape_default())),
    };
    if taken != keys.len() {
        return Err(format!("'{keyword}' has parameters it does not know"));
    }
    Ok(op)
}

/// Channels of the result of `op` on inputs of the given channels.
fn output_channels(op: Op, inputs: &[usize]) -> Result<usize, String> {
    let arity = match op {
        Op::Input { .. } => inputs.is_empty(),
        Op::Add => inputs.len() == 2,
        Op::Concat => inputs.len() >= 2,
        _ => inputs.len() == 1,
    };
    if !arity {
        return Err(format!(
            "{} inputs do not suit '{}'",
            inputs.len(),
            op.keyword()
        ));
    }
    let in_range = match op {
        Op::Conv {
            kernel,
            stride,
            dilation,
            ..
        } => {
            matches!(
                (kernel, stride, dilation),
                (1, 1, 1) | (3, 1, 1..=64) | (3, 2, 1)
            )
        }
        Op::InstanceNorm { epsilon } => epsilon > 0.0,
        Op::LeakyRelu { slope } => (0.0..=1.0).contains(&slope),
        Op::Upsample { factor } => (2..=64).contains(&factor),
        Op::Quantize(Quantisation { scale, .. }) => SCALES.contains(&scale),
        _ => true,
    };
    if !in_range {
        return Err(format!("parameters out of range for '{}'", op.keyword()));
    }
    let channels = match op {
        Op::Input { channels } => channels,
        Op::Conv { out, .. } => out,
        Op::Add if inputs[0] != inputs[1] => {
            return Err(format!(
                "{} and {} channels cannot be added",
                inputs[0], inputs[1]
            ));
        }
        Op::Concat => inputs.iter().sum(),
        _ => inputs[0],
    };
    if (1..=MAX_CHANNELS).contains(&channels) {
        Ok(channels)
    } else {
        Err(format!(
            "{channels} channels are not between 1 and {MAX_CHANNELS}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
input image channels=1
conv a image out=16 kernel=3 stride=1 dilation=1
instance_norm n a epsilon=1e-5
leaky_relu l n slope=0.01
conv b l out=16 kernel=3 stride=2 dilation=1
upsample u b factor=2
concat c u a
conv d c out=2 kernel=1 stride=1 dilation=1
sigmoid p d
";

    #[test]
    fn text_round_trips() {
        let graph = Graph::parse(TEXT).unwrap();
        assert_eq!(graph.to_string(), TEXT);
        assert_eq!(graph.output().unwrap().channels, 2);
        assert_eq!(graph.nodes()[6].channels, 32);
    }

    #[test]
    fn sources_are_the_concatenated_tensors() {
        let graph = Graph::parse(TEXT).unwrap();
        assert_eq!(graph.sources(1), [0]);
        assert_eq!(graph.sources(4), [1]);
        assert_eq!(graph.sources(7), [5, 1]);
        assert_eq!(graph.sources(0), []);
    }

    #[test]
    fn convolutions_know_how_their_input_is_quantised() {
        let text = "\
input image channels=1
quantize q image scale=4e-3 zero=7
conv a q out=16 kernel=3 stride=1 dilation=1
conv b a out=16 kernel=3 stride=1 dilation=1
concat c a b
leaky_relu l c slope=0.01
quantize d l scale=1.5e-2 zero=0
conv e d out=2 kernel=1 stride=1 dilation=1
";
        let graph = Graph::parse(text).unwrap();
        assert_eq!(graph.to_string(), text);
        let (scale, zero) = (4e-3, 7);
        assert_eq!(graph.quantisation(2), Some(Quantisation { scale, zero }));
        assert_eq!(
            [0, 1, 3, 99].map(|node| graph.quantisation(node)),
            [None; 4]
        );
        assert_eq!(graph.sources(2), [0]);
        assert_eq!(graph.sources(7), [2, 3]);
        assert!(graph.is_quantised());
        assert!(!Graph::parse(TEXT).unwrap().is_quantised());
    }

    #[test]
    fn quantising_rounds_halves_to_even_and_clamps() {
        let quantisation = Quantisation {
            scale: 0.5,
            zero: 3,
        };
        for (x, q) in [
            (0.0, 3),
            (0.25, 3),
            (0.75, 5),
            (-0.75, 1),
            (-1.5, 0),
            (-9.0, 0),
            (126.0, 255),
            (f32::MAX, 255),
            (f32::NEG_INFINITY, 0),
        ] {
            assert_eq!(quantisation.quantise(x), q, "{x}");
        }
    }

    #[test]
    fn int8_sums_fit_into_32_bits() {
        let worst = MAX_INT8_FACTORS as i64 * 255 * 127;
        assert!(i32::try_from(worst).is_ok());
        let graph = |kernel: usize| {
            Graph::parse(&format!(
                "input x channels=1\n\
                 conv wide x out=4096 kernel=1 stride=1 dilation=1\n\
                 quantize q wide scale=1 zero=0\n\
                 conv y q out=1 kernel={kernel} stride=1 dilation=1\n"
            ))
        };
        assert!(graph(1).is_ok());
        assert!(graph(3).unwrap_err().cause.contains("32-bit"));
    }

    #[test]
    fn malformed_lines_are_named() {
        let second = |line: &str| Graph::parse(&format!("input x channels=1\n{line}\n"));
        for (line, cause) in [
            ("", "an operation and a name are needed"),
            (
                "conv a x out=16 kernel=2 stride=1 dilation=1",
                "parameters out of range",
            ),
            ("conv a x out=16 kernel=3 stride=1", "needs dilation="),
            ("conv a x out=0 kernel=3 stride=1 dilation=1", "0 channels"),
            (
                "conv a x out=-1 kernel=3 stride=1 dilation=1",
                "not a whole number",
            ),
            ("gelu a y", "unknown input 'y'"),
            ("gelu x x", "defined twice"),
            ("gelu a", "0 inputs do not suit"),
            ("gelu a x slope=1", "parameters it does not know"),
            ("leaky_relu a x slope=0.1 slope=0.2", "given twice"),
            ("leaky_relu a x slope=nan", "not a finite number"),
            ("quantize a x zero=0", "needs scale="),
            ("quantize a x scale=0 zero=0", "parameters out of range"),
            ("quantize a x scale=-1 zero=0", "parameters out of range"),
            ("quantize a x scale=1e-38 zero=0", "parameters out of range"),
            ("quantize a x scale=1 zero=256", "from 0 to 255"),
            ("quantize a x scale=1 zero=-1", "from 0 to 255"),
            (
                "quantize a x scale=1 zero=0\ngelu b a",
                "only convolutions read 'a'",
            ),
            ("quantize a x scale=1 zero=0", "the output is quantised"),
            ("wave a x", "unknown operation"),
            ("gelu a/b x", "not a name"),
            ("input y channels=1", "the first node"),
        ] {
            let error = second(line).unwrap_err();
            assert_eq!(error.line, 1 + line.lines().count().max(1), "{line}");
            assert!(error.cause.contains(cause), "{line}: {}", error.cause);
        }
    }
}
