//! The operations by definition, in `f64`: the oracle that kernels are tested against.
//!
//! Arguments are those of the kernels; nothing is written to them. Results have the order
//! `[block][row][column][16]` without halo, blocks counted from the first one asked for.

use crate::contract::{
    Activation, ConvArgs, ConvProblem, Epilogue, LANES, Link, LinkArgs, MomentsArgs, Order, Plane,
    PlaneShape, PointwiseArgs, Source, UpsampleArgs,
};

mod int8;
pub use int8::*;

/// Below it products lose more than half a unit in the last place.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// One result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// The result in `f64`.
    pub value: f64,
    /// What [`Exactness::bound`](crate::contract::Exactness::bound) wants: the same formula with
    /// every value and factor replaced by its absolute value, products by at least the smallest
    /// normal number.
    pub magnitude: f64,
}

impl Value {
    fn of(value: f32) -> Value {
        let value = f64::from(value);
        Value {
            value,
            magnitude: value.abs(),
        }
    }

    fn plus(self, other: Value) -> Value {
        Value {
            value: self.value + other.value,
            magnitude: self.magnitude + other.magnitude,
        }
    }

    fn minus(self, other: Value) -> Value {
        Value {
            value: self.value - other.value,
            magnitude: self.magnitude + other.magnitude,
        }
    }

    fn times(self, other: Value) -> Value {
        Value {
            value: self.value * other.value,
            magnitude: (self.magnitude * other.magnitude).max(SMALLEST),
        }
    }

    fn leaky(self, slope: f32) -> Value {
        let slope = f64::from(slope);
        Value {
            value: self.value.max(slope * self.value),
            magnitude: self.magnitude * slope.abs().max(1.0),
        }
    }
}

/// Results of a convolution.
#[derive(Clone, Debug)]
pub struct Conv {
    /// What belongs into `Epilogue::raw`.
    pub raw: Vec<Value>,
    /// What belongs into `Epilogue::activated`; empty if there is none.
    pub activated: Vec<Value>,
    /// Roundings behind each result, epilogue included.
    pub roundings: usize,
}

/// Convolution with `packed` weights, whatever `args.weights` holds, of each plane that `args` asks
/// for; magnitudes and roundings are those of a kernel that works in `order`.
pub fn conv(args: &ConvArgs, packed: &[f32], order: Order) -> Vec<Conv> {
    let first = plane(args, args.sources, &args.epilogue, packed, order);
    let next = args.next.as_ref().map(|next| {
        let sources: Vec<Source> = (args.sources.iter().zip(next.planes))
            .map(|(source, next)| Source {
                planes: [source.planes[1], source.planes[2], next],
                ..*source
            })
            .collect();
        plane(args, &sources, &next.epilogue, packed, order)
    });
    [first].into_iter().chain(next).collect()
}

/// One plane, computed from `sources`.
fn plane(
    args: &ConvArgs,
    sources: &[Source],
    epilogue: &Epilogue,
    packed: &[f32],
    order: Order,
) -> Conv {
    let problem = &args.problem;
    let products = problem.weights_per_block() / LANES;
    let mut result = Conv {
        raw: Vec::new(),
        activated: Vec::new(),
        // The products of a sum, their additions, then residual, two slopes, scale and shift.
        roundings: 6 + match order {
            Order::Direct => products + 1,
            // Two points' products, one after the other, joined by 1; weights 1, inputs 6, outputs 6,
            // bias 1.
            Order::Winograd2x2x4 => 2 * (products / 27 + 1) + 1 + 14,
        },
    };
    for block in args.blocks.clone() {
        let packed = &packed[block * problem.weights_per_block()..][..products * LANES];
        for row in 0..problem.height {
            for column in 0..problem.width {
                let neighbours = match order {
                    Order::Direct => Vec::new(),
                    Order::Winograd2x2x4 => neighbours(args, row, column),
                };
                for lane in 0..LANES {
                    let mut sum = Value::of(args.bias[block * LANES + lane]);
                    let mut weights = packed.chunks_exact(LANES).map(|weights| weights[lane]);
                    for_each_input(problem, sources, row, column, |input| {
                        let weight = weights.next().expect("one weight per input");
                        sum = sum.plus(Value::of(input).times(Value::of(weight)));
                    });
                    if order == Order::Winograd2x2x4 {
                        sum.magnitude += winograd_magnitude(&neighbours, packed, lane);
                    }
                    if let Some(residual) = &epilogue.residual {
                        let at = index(residual, problem.height, problem.width, block, row, column);
                        sum = sum.plus(Value::of(residual.data[at + lane]));
                    }
                    let raw = sum.leaky(epilogue.slope);
                    result.raw.push(raw);
                    if let Some(activated) = &epilogue.activated {
                        let scale = Value::of(activated.scale[block * LANES + lane]);
                        let shift = Value::of(activated.shift[block * LANES + lane]);
                        let value = raw.times(scale).plus(shift).leaky(activated.slope);
                        result.activated.push(value);
                    }
                }
            }
        }
    }
    result
}

/// For every input channel, in the order of the packed weights, the largest |value| that a 2 x 2 x 4
/// tile around the voxel can see.
fn neighbours(args: &ConvArgs, row: usize, column: usize) -> Vec<[f64; LANES]> {
    let mut result = Vec::new();
    for (number, source) in args.sources.iter().enumerate() {
        let shape = source.shape;
        let next = args.next.as_ref().map(|next| next.planes[number]);
        for block in 0..source.blocks {
            let mut largest = [0.0f64; LANES];
            for plane in source.planes.into_iter().chain(next) {
                for y in row.saturating_sub(2)..(row + 3).min(shape.height) {
                    for x in column.saturating_sub(4)..(column + 5).min(shape.width) {
                        let at = (block * shape.area() + shape.voxel(y, x)) * LANES;
                        for (largest, value) in largest.iter_mut().zip(&plane[at..]) {
                            *largest = largest.max(f64::from(value.abs()));
                        }
                    }
                }
            }
            result.push(largest);
        }
    }
    result
}

/// Bound on the sum of |every intermediate value| of the three-dimensional transforms.
///
/// With `A`, `B`, `G` the transforms, an output is a sum over points `j` of
/// `A[i][j] * (G[j] . g) * (B[j] . d)`, at most `|A[i][j]| max|G[j]| sum|B[j]|` times
/// `sum|g| max|d|`. The largest sum over `j` is 4 for F(2,3) and 88/3 for F(4,3).
fn winograd_magnitude(neighbours: &[[f64; LANES]], packed: &[f32], lane: usize) -> f64 {
    let taps = 27;
    let mut magnitude = 0.0;
    for (block, largest) in neighbours.iter().enumerate() {
        for (input, largest) in largest.iter().enumerate() {
            let weights: f64 = (0..taps)
                .map(|tap| {
                    let at = ((block * taps + tap) * LANES + input) * LANES + lane;
                    f64::from(packed[at].abs())
                })
                .sum();
            magnitude += (weights.max(SMALLEST) * largest).max(SMALLEST);
        }
    }
    4.0 * 4.0 * 88.0 / 3.0 * magnitude
}

/// Every input value that one output voxel depends on, in the order of the packed weights.
fn for_each_input(
    problem: &ConvProblem,
    sources: &[Source],
    row: usize,
    column: usize,
    mut each: impl FnMut(f32),
) {
    let reach = problem.kernel / 2;
    for source in sources {
        let shape = source.shape;
        let (blocks, inputs) = match problem.planar {
            true => (1, source.blocks),
            false => (source.blocks, LANES),
        };
        for block in 0..blocks {
            for plane in &source.planes[1 - reach..=1 + reach] {
                for dy in 0..problem.kernel {
                    for dx in 0..problem.kernel {
                        let row = shape.halo + row * problem.stride + dy * problem.dilation
                            - reach * problem.dilation;
                        let column = shape.halo + column * problem.stride + dx * problem.dilation
                            - reach * problem.dilation;
                        let voxel = row * shape.pitch() + column;
                        for input in 0..inputs {
                            each(match problem.planar {
                                true => plane[input * shape.area() + voxel],
                                false => plane[(block * shape.area() + voxel) * LANES + input],
                            });
                        }
                    }
                }
            }
        }
    }
}

fn index(
    plane: &Plane,
    height: usize,
    width: usize,
    block: usize,
    row: usize,
    column: usize,
) -> usize {
    let shape = PlaneShape {
        height,
        width,
        halo: plane.halo,
    };
    (block * shape.area() + shape.voxel(row, column)) * LANES
}

/// Trilinear interpolation, at most 10 roundings per result.
pub fn upsample(args: &UpsampleArgs) -> Vec<Value> {
    let lerp = |low: Value, high: Value, fraction: f32| {
        low.plus(high.minus(low).times(Value::of(fraction)))
    };
    let mut result = Vec::new();
    for block in 0..args.blocks {
        for row in args.rows {
            for column in args.columns {
                for lane in 0..LANES {
                    let at = |plane: &[f32], dy: usize, dx: usize| {
                        let row = row.index as usize + dy * usize::from(row.fraction != 0.0);
                        let column =
                            column.index as usize + dx * usize::from(column.fraction != 0.0);
                        let voxel = block * args.shape.area() + args.shape.voxel(row, column);
                        Value::of(plane[voxel * LANES + lane])
                    };
                    let along_z = |dy, dx| {
                        let [near, far] = args.planes;
                        lerp(at(near, dy, dx), at(far, dy, dx), args.fraction)
                    };
                    let along_y = |dx| lerp(along_z(0, dx), along_z(1, dx), row.fraction);
                    let along_x = lerp(along_y(0), along_y(1), column.fraction);
                    result.push(along_x.leaky(args.slope));
                }
            }
        }
    }
    result
}

/// Affine map, addend and non-linearity, at most 4 roundings per result; GELU may differ by another
/// 1e-6.
pub fn pointwise(args: &PointwiseArgs) -> Vec<Value> {
    let mut result = Vec::new();
    for block in 0..args.blocks {
        for row in 0..args.height {
            for column in 0..args.width {
                for lane in 0..LANES {
                    let at = |plane: &Plane| {
                        let at = index(plane, args.height, args.width, block, row, column);
                        Value::of(plane.data[at + lane])
                    };
                    let scale = Value::of(args.scale[block * LANES + lane]);
                    let shift = Value::of(args.shift[block * LANES + lane]);
                    let mut value = at(&args.input).times(scale).plus(shift);
                    if let Some(addend) = &args.addend {
                        value = value.plus(at(addend));
                    }
                    result.push(match args.activation {
                        Activation::Leaky { slope } => value.leaky(slope),
                        Activation::Gelu => Value {
                            value: gelu(value.value),
                            // The slope of GELU is nowhere above 1.13.
                            magnitude: value.magnitude * 1.13,
                        },
                    });
                }
            }
        }
    }
    result
}

/// `x / 2 * (1 + erf(x / sqrt 2))`, by the Taylor series of the normal distribution where it
/// converges fast and by its continued fraction elsewhere.
pub fn gelu(x: f64) -> f64 {
    let a = x.abs();
    let density = (-a * a / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let upper_tail = if a < 3.0 {
        // 1/2 - density * (a + a^3/3 + a^5/15 + ...)
        let (mut term, mut sum) = (a, a);
        for n in 1..100 {
            term *= a * a / f64::from(2 * n + 1);
            sum += term;
        }
        0.5 - density * sum
    } else {
        // density / (a + 1/(a + 2/(a + 3/(a + ...))))
        density / (1..=200).rev().fold(a, |rest, n| a + f64::from(n) / rest)
    };
    x.max(0.0) - a * upper_tail
}

/// Link function, at most 8 roundings per result, in the order `[channel][row][column]` without halo.
pub fn link(args: &LinkArgs) -> Vec<Value> {
    let shape = PlaneShape {
        height: args.height,
        width: args.width,
        halo: args.input.halo,
    };
    let at = |channel: usize, row: usize, column: usize| {
        let block = channel / args.lanes * shape.area() + shape.voxel(row, column);
        f64::from(args.input.data[block * args.lanes + channel % args.lanes])
    };
    let mut result = Vec::new();
    for channel in 0..args.channels {
        for row in 0..args.height {
            for column in 0..args.width {
                let x = at(channel, row, column);
                let channels = (0..args.channels).map(|channel| at(channel, row, column));
                result.push(match args.link {
                    Link::Identity => Value::of(x as f32),
                    Link::Sigmoid => {
                        let value = 1.0 / (1.0 + (-x).exp());
                        Value {
                            value,
                            magnitude: value,
                        }
                    }
                    Link::Softmax => {
                        let highest = channels.clone().fold(f64::MIN, f64::max);
                        let sum: f64 = channels.map(|x| (x - highest).exp()).sum();
                        let value = (x - highest).exp() / sum;
                        Value {
                            value,
                            // An exponent is off by its own rounding, the sum by that of every channel.
                            magnitude: value * (1.0 + (highest - x) + args.channels as f64),
                        }
                    }
                });
            }
        }
    }
    result
}

/// Sums and sums of squares of every channel.
pub fn moments(args: &MomentsArgs) -> (Vec<f64>, Vec<f64>) {
    let mut sums = vec![0.0; args.blocks * LANES];
    let mut squares = sums.clone();
    for block in 0..args.blocks {
        for row in 0..args.height {
            for column in 0..args.width {
                let at = index(&args.input, args.height, args.width, block, row, column);
                for lane in 0..LANES {
                    let value = f64::from(args.input.data[at + lane]);
                    sums[block * LANES + lane] += value;
                    squares[block * LANES + lane] += value * value;
                }
            }
        }
    }
    (sums, squares)
}

#[cfg(test)]
mod tests {
    use super::gelu;

    #[test]
    fn gelu_matches_tabulated_values() {
        for (x, expected) in [
            (0.0, 0.0),
            (1.0, 0.841_344_746_068_542_9),
            (-1.0, -0.158_655_253_931_457_07),
            (3.0, 2.995_950_305_905_11),
            (-4.0, -1.266_849_673_324_798_6e-4),
        ] {
            assert!((gelu(x) - expected).abs() < 1e-13, "{x}: {}", gelu(x));
        }
    }
}
