//! The operations on `u8` and `i8`, whose results are exact: every kernel returns these bits.

use super::index;
use crate::contract::{ConvInt8Args, Epilogue, GROUP, LANES, QuantizeArgs, Source};

/// Results of an int8 convolution before they are stored.
#[derive(Clone, Debug)]
pub struct ConvInt8 {
    /// What belongs into `Epilogue::raw`.
    pub raw: Vec<f32>,
    /// What belongs into `Epilogue::activated`; empty if there is none.
    pub activated: Vec<f32>,
}

/// Convolution from `u8` and `i8`, of each plane that `args` asks for.
pub fn conv_int8(args: &ConvInt8Args) -> Vec<ConvInt8> {
    let first = plane(args, args.sources, &args.epilogue);
    let next = args.next.as_ref().map(|next| {
        let sources: Vec<Source<u8>> = (args.sources.iter().zip(next.planes))
            .map(|(source, next)| Source {
                planes: [source.planes[1], source.planes[2], next],
                ..*source
            })
            .collect();
        plane(args, &sources, &next.epilogue)
    });
    [first].into_iter().chain(next).collect()
}

/// One plane, computed from `sources`.
fn plane(args: &ConvInt8Args, sources: &[Source<u8>], epilogue: &Epilogue) -> ConvInt8 {
    let problem = &args.problem;
    let mut result = ConvInt8 {
        raw: Vec::new(),
        activated: Vec::new(),
    };
    let leaky = |value: f32, slope: f32| {
        let scaled = slope * value;
        if scaled > value { scaled } else { value }
    };
    for block in args.blocks.clone() {
        for row in 0..problem.height {
            for column in 0..problem.width {
                for lane in 0..LANES {
                    let channel = block * LANES + lane;
                    let sum = sum(args, sources, row, column, channel);
                    let sum = sum + i64::from(args.offset[channel]);
                    let sum = i32::try_from(sum).expect("a sum of 32 bits");
                    let mut raw = sum as f32 * args.scale[channel] + args.bias[channel];
                    if let Some(residual) = &epilogue.residual {
                        let at = index(residual, problem.height, problem.width, block, row, column);
                        raw += residual.data[at + lane];
                    }
                    let raw = leaky(raw, epilogue.slope);
                    result.raw.push(raw);
                    if let Some(activated) = &epilogue.activated {
                        let value = raw * activated.scale[channel] + activated.shift[channel];
                        result.activated.push(leaky(value, activated.slope));
                    }
                }
            }
        }
    }
    result
}

/// Sum of the products of one output voxel and channel.
fn sum(
    args: &ConvInt8Args,
    sources: &[Source<u8>],
    row: usize,
    column: usize,
    output: usize,
) -> i64 {
    let problem = &args.problem;
    let reach = problem.kernel / 2;
    let mut sum = 0;
    let mut first = 0;
    for source in sources {
        let shape = source.shape;
        let channels = match problem.planar {
            true => source.blocks,
            false => source.blocks * LANES,
        };
        for tap in 0..problem.taps() {
            let plane = source.planes[1 - reach + tap / problem.kernel / problem.kernel];
            let [dy, dx] = [tap / problem.kernel % problem.kernel, tap % problem.kernel];
            let row = shape.halo + row * problem.stride + dy * problem.dilation
                - reach * problem.dilation;
            let column = shape.halo + column * problem.stride + dx * problem.dilation
                - reach * problem.dilation;
            let voxel = row * shape.pitch() + column;
            for input in 0..channels {
                let value = match problem.planar {
                    true => plane[voxel * GROUP + input],
                    false => {
                        let block = input / LANES * shape.area();
                        plane[(block + voxel) * LANES + input % LANES]
                    }
                };
                let weight = args.weights[problem.int8_weight(output, first + input, tap)];
                sum += i64::from(value) * i64::from(weight);
            }
        }
        first += channels;
    }
    sum
}

/// Quantisation of an image, `[row][column][4]` without halo.
pub fn quantize(args: &QuantizeArgs) -> Vec<u8> {
    let pitch = args.width + 2 * args.input.halo;
    let area = (args.height + 2 * args.input.halo) * pitch;
    let mut result = Vec::new();
    for row in 0..args.height {
        for column in 0..args.width {
            for channel in 0..GROUP {
                let voxel = (row + args.input.halo) * pitch + column + args.input.halo;
                result.push(match channel < args.channels {
                    true => (args.quantisation).apply(args.input.data[channel * area + voxel]),
                    false => args.quantisation.zero,
                });
            }
        }
    }
    result
}
