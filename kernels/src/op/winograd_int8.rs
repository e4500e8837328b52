//! Convolution from `u8` and `i8` by minimal filtering in integers: F(2,3) down the columns, F(4,3)
//! along the rows, as `winograd.rs` has it for `f32`, and exact.
//!
//! Transformed weights are 2 * 24 times those of the textbook and therefore integers. Inputs and weights
//! fit 16 bits after their transforms, sums wrap around, and 48 times any sum that the pair rule allows
//! fits 32 bits for as many input channels as are accepted: what comes out is 48 times the direct sum.
//! Weights are transformed once per call, which large planes hardly notice.

use std::ops::Range;

use super::finish::Finish;
use super::for_each_tile;
use super::winograd::{CHUNK, PATCH, POINTS, TAPS, TILE, grid, runs};
use crate::contract::{ConvInt8Args, ConvProblem, GROUP, LANES};
use crate::registry::Int8Form;
use crate::vector::Vector;
use crate::words::{WordDot, Words};

/// Weights of one tap from a block to a block.
const SQUARE: usize = LANES * LANES;
/// Input blocks for which 48 sums fit 32 bits: a block adds 27 taps of 8 pairs of at most 255 * 128.
const MOST_INPUTS: usize = i32::MAX as usize / (48 * 27 * 8 * 255 * 128);
/// Voxels of a plane that is worth transforming the weights for.
const FEWEST_VOXELS: usize = 256;

/// Twice the textbook's.
const G2: [[i16; TAPS]; PATCH[0]] = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]];
/// 24 times the textbook's.
const G4: [[i16; TAPS]; PATCH[1]] = [
    [6, 0, 0],
    [-4, -4, -4],
    [-4, 4, -4],
    [1, 2, 4],
    [1, -2, 4],
    [0, 0, 24],
];

pub(crate) static WINOGRAD_INT8: Int8Form = Int8Form {
    accepts,
    pays: |problem| match problem.height * problem.width {
        ..FEWEST_VOXELS => Err("small plane"),
        _ => Ok(()),
    },
    scratch_len: |problem| {
        let words = problem.outputs * weights_per_block(problem) + PATCH[1] * point_len(problem);
        words / 2 + problem.outputs * POINTS * CHUNK * LANES + LANES
    },
};

fn accepts(problem: &ConvProblem) -> Result<(), &'static str> {
    match problem {
        ConvProblem { kernel: 1, .. } => Err("one tap"),
        ConvProblem { planar: true, .. } => Err("planar input"),
        ConvProblem { stride: 2, .. } => Err("stride 2"),
        ConvProblem { dilation: 2.., .. } => Err("dilated"),
        _ if problem.inputs > MOST_INPUTS => Err("too many channels for 32-bit sums"),
        _ => Ok(()),
    }
}

/// Elements of the transformed weights of one output block:
/// `[out block][point][in block][dz][8 pairs][16 out][2 in]`.
fn weights_per_block(problem: &ConvProblem) -> usize {
    POINTS * problem.inputs * TAPS * SQUARE
}

/// Elements from one point to the next in a row of points of the transformed inputs of a chunk,
/// `[point][in block][dz][tile][16]`. One cache line more than needed, lest all points of a tile fall
/// into the same cache set.
fn point_len(problem: &ConvProblem) -> usize {
    problem.inputs * TAPS * CHUNK * LANES + 2 * LANES
}

/// # Safety
///
/// The processor has the instruction set of `D`; `args.check` passed for this form's scratch, and the
/// form accepts the problem.
#[inline(always)]
pub(crate) unsafe fn winograd<D: WordDot, const WIDTH: usize>(args: &mut ConvInt8Args) {
    let problem = args.problem;
    let point_len = point_len(&problem);
    let depth = problem.inputs * TAPS;
    let tiles = grid(&problem).iter().product();
    let blocks = args.blocks.clone();
    // SAFETY: `check` proved the scratch to hold the sums, the transformed weights and inputs, and what
    // alignment may cost; the weights hold every output block.
    unsafe {
        let scratch = args.scratch.as_mut_ptr();
        let sums = scratch.add(scratch.align_offset(64).min(LANES));
        let weights = sums
            .add(blocks.len() * POINTS * CHUNK * LANES)
            .cast::<i16>();
        let inputs = weights.add(blocks.len() * weights_per_block(&problem));
        for (i, block) in blocks.clone().enumerate() {
            let packed = &args.weights[block * problem.int8_weights_per_block()..];
            let to = weights.add(i * weights_per_block(&problem));
            for (plane, taps) in packed
                .chunks_exact(TAPS * TAPS * SQUARE)
                .take(depth)
                .enumerate()
            {
                transform_weights(taps, to.add(plane * SQUARE), depth * SQUARE);
            }
        }
        let finish = Finish::<D::Floats>::new(&mut args.epilogue, problem.height, problem.width);
        for first in (0..tiles).step_by(CHUNK) {
            let chunk = first..(first + CHUNK).min(tiles);
            for y in 0..PATCH[0] {
                transform::<D::Words>(args, chunk.clone(), y, inputs, point_len);
                for point in (0..blocks.len() * PATCH[1]).map(|i| {
                    let (block, x) = (i / PATCH[1], i % PATCH[1]);
                    block * POINTS + y * PATCH[1] + x
                }) {
                    products::<D, WIDTH>(
                        weights.add(point * depth * SQUARE),
                        inputs.add(point % PATCH[1] * point_len),
                        depth,
                        chunk.len(),
                        sums.add(point * CHUNK * LANES),
                    );
                }
            }
            for (i, block) in blocks.clone().enumerate() {
                let offset = D::load(args.offset.as_ptr().add(block * LANES));
                let scale = D::Floats::load(args.scale.as_ptr().add(block * LANES));
                let bias = D::Floats::load(args.bias.as_ptr().add(block * LANES));
                for run in runs(&problem, chunk.clone()) {
                    for tile in 0..run.len {
                        let [row, column] = [run.row, run.column + tile * TILE[1]];
                        let sums = sums.add((i * POINTS * CHUNK + run.first + tile) * LANES);
                        for y in 0..TILE[0].min(problem.height - row) {
                            let width = TILE[1].min(problem.width - column);
                            let outputs = output::<D>(sums, y);
                            for (x, sum) in outputs.into_iter().enumerate().take(width) {
                                let sum = sum.divide_by_48().add(offset).to_floats();
                                let sum = sum.mul_add(scale, bias);
                                finish.store(sum, block, row + y, column + x, 0);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Transforms the 3 x 3 weights of one plane, `[tap][4 groups][16 out][4 in]`; those of a point go
/// `point_len` elements behind those of the one before.
///
/// # Safety
///
/// 256 values may be written for each of the points.
#[inline(always)]
unsafe fn transform_weights(taps: &[i8], to: *mut i16, point_len: usize) {
    const PART: usize = LANES * GROUP;
    for part in 0..SQUARE / PART {
        let mut g = [[[0; PART]; TAPS]; TAPS];
        for (tap, g) in g.as_flattened_mut().iter_mut().enumerate() {
            let weights = &taps[tap * SQUARE + part * PART..][..PART];
            for (g, &weight) in g.iter_mut().zip(weights) {
                *g = i16::from(weight);
            }
        }
        for (y, [a, b, c]) in G2.into_iter().enumerate() {
            let mut row = [[0; PART]; TAPS];
            for (dx, row) in row.iter_mut().enumerate() {
                for (i, sum) in row.iter_mut().enumerate() {
                    *sum = a * g[0][dx][i] + b * g[1][dx][i] + c * g[2][dx][i];
                }
            }
            for (x, [a, b, c]) in G4.into_iter().enumerate() {
                let mut pairs = [[[0; 2]; LANES]; GROUP / 2];
                for (i, pairs) in pairs.iter_mut().enumerate() {
                    for (out, pair) in pairs.iter_mut().enumerate() {
                        for (channel, weight) in pair.iter_mut().enumerate() {
                            let at = out * GROUP + i * 2 + channel;
                            *weight = a * row[0][at] + b * row[1][at] + c * row[2][at];
                        }
                    }
                }
                // SAFETY: the caller promises room for the point's values.
                unsafe {
                    let to = to.add((y * PATCH[1] + x) * point_len + part * PART);
                    to.cast::<[[[i16; 2]; LANES]; GROUP / 2]>()
                        .write_unaligned(pairs);
                }
            }
        }
    }
}

/// Row `y` of the transformed inputs of a chunk of tiles.
///
/// # Safety
///
/// As for `winograd`; `inputs` has room for six points.
#[inline(always)]
unsafe fn transform<W: Words>(
    args: &ConvInt8Args,
    chunk: Range<usize>,
    y: usize,
    inputs: *mut i16,
    point_len: usize,
) {
    let problem = &args.problem;
    let mut to = inputs;
    // SAFETY: a tile starts one row and one column before its outputs, which is inside the halo;
    // where it ends beyond the halo `clip` takes over. `to` counts in-blocks, planes and tiles.
    unsafe {
        for source in args.sources {
            let shape = source.shape;
            let pitch = shape.pitch() * LANES;
            for block in 0..source.blocks {
                let corner = block * shape.area() + shape.voxel(0, 0) - shape.pitch() - 1;
                for plane in source.planes {
                    let plane = plane.as_ptr().add(corner * LANES);
                    for run in runs(problem, chunk.clone()) {
                        let from = plane.add(run.row * pitch + run.column * LANES);
                        let to = to.add(run.first * LANES);
                        // Input rows and columns that exist, the far halo included.
                        let rows = problem.height + 2 - run.row;
                        let columns = problem.width + 2 - run.column;
                        let whole = match rows < PATCH[0] {
                            true => 0,
                            false => run.len.min((columns + TILE[1] - PATCH[1]) / TILE[1]),
                        };
                        input::<W>(from, pitch, y, whole, to, point_len);
                        for tile in whole..run.len {
                            let skip = tile * TILE[1];
                            let patch = clip(from.add(skip * LANES), pitch, [rows, columns - skip]);
                            let patch = patch.as_flattened().as_flattened().as_ptr();
                            let to = to.add(tile * LANES);
                            input::<W>(patch, PATCH[1] * LANES, y, 1, to, point_len);
                        }
                    }
                    to = to.add(CHUNK * LANES);
                }
            }
        }
    }
}

/// The inputs of a tile that reaches beyond the halo, zeros where nothing is.
///
/// # Safety
///
/// At `from` lie `inside` rows and columns of 16 channels, rows `pitch` elements apart.
#[inline(always)]
unsafe fn clip(
    from: *const u8,
    pitch: usize,
    inside: [usize; 2],
) -> [[[u8; LANES]; PATCH[1]]; PATCH[0]] {
    let mut patch = [[[0; LANES]; PATCH[1]]; PATCH[0]];
    for (y, row) in patch.iter_mut().enumerate().take(inside[0]) {
        for (x, voxel) in row.iter_mut().enumerate().take(inside[1]) {
            // SAFETY: the caller promises that the voxel exists.
            *voxel = unsafe { from.add(y * pitch + x * LANES).cast::<[u8; LANES]>().read() };
        }
    }
    patch
}

/// Row `y` of `B2' d B4` for `count` neighbouring tiles; point `x` of the first goes to
/// `to + x * point_len`, those of the others follow it.
///
/// # Safety
///
/// The processor has the instruction set of `W`; 4 rows, `pitch` elements apart, of the tiles'
/// voxels may be read at `from`, and `count` times 16 values be written for each of six points.
#[inline(always)]
unsafe fn input<W: Words>(
    from: *const u8,
    pitch: usize,
    y: usize,
    count: usize,
    to: *mut i16,
    point_len: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        // B2' takes the sum of rows 1 and 2, and three differences.
        let row = |y: usize| from.add(y * pitch);
        match y {
            0 => combine::<W, false>(row(0), row(2), count, to, point_len),
            1 => combine::<W, true>(row(1), row(2), count, to, point_len),
            2 => combine::<W, false>(row(2), row(1), count, to, point_len),
            _ => combine::<W, false>(row(1), row(3), count, to, point_len),
        }
    }
}

/// `(a + b)' B4` or `(a - b)' B4` for `count` neighbouring tiles.
///
/// # Safety
///
/// As for `input`, where `a` and `b` are two of the rows.
#[inline(always)]
unsafe fn combine<W: Words, const SUM: bool>(
    a: *const u8,
    b: *const u8,
    count: usize,
    to: *mut i16,
    point_len: usize,
) {
    for tile in 0..count {
        // SAFETY: the caller promises the rows, the points and the instruction set.
        unsafe {
            let mut d = [W::widen(a); PATCH[1]];
            for (x, d) in d.iter_mut().enumerate() {
                let at = (tile * TILE[1] + x) * LANES;
                let [a, b] = [W::widen(a.add(at)), W::widen(b.add(at))];
                *d = if SUM { a.add(b) } else { a.sub(b) };
            }
            let [d0, d1, d2, d3, d4, d5] = d;
            let [d42, d31] = [d4.sub(d2), d3.sub(d1)];
            let [even, odd] = [d4.sub(d2.shift::<2>()), d3.sub(d1.shift::<2>())];
            let twice = d31.shift::<1>();
            let points = [
                d0.sub(d2).shift::<2>().add(d42),
                even.add(odd),
                even.sub(odd),
                d42.add(twice),
                d42.sub(twice),
                d5.sub(d3).sub(d31.shift::<2>()),
            ];
            for (x, point) in points.into_iter().enumerate() {
                point.store(to.add(x * point_len + tile * LANES));
            }
        }
    }
}

/// `sums[tile][out] = sum of inputs[plane][tile][in] * weights[plane][in / 2][out][in % 2]` at one point.
///
/// # Safety
///
/// The processor has the instruction set of `D`; `depth` planes of `CHUNK` vectors may be read at
/// `inputs` and `depth` squares at `weights`; `count <= CHUNK` vectors may be written at `sums`.
#[inline(always)]
unsafe fn products<D: WordDot, const WIDTH: usize>(
    weights: *const i16,
    inputs: *const i16,
    depth: usize,
    count: usize,
    sums: *mut i32,
) {
    for_each_tile!(count, WIDTH, |tile, TILES| {
        // SAFETY: tiles up to `count` exist, says the caller.
        unsafe {
            let row = product::<D, TILES>(weights, inputs.add(tile * LANES), depth);
            for (i, sum) in row.into_iter().enumerate() {
                sum.store(sums.add((tile + i) * LANES));
            }
        }
    });
}

/// # Safety
///
/// As for `products`, for `WIDTH` tiles.
#[inline(always)]
unsafe fn product<D: WordDot, const WIDTH: usize>(
    mut weights: *const i16,
    mut inputs: *const i16,
    depth: usize,
) -> [D; WIDTH] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [D::zero(); WIDTH];
        for _ in 0..depth {
            for pair in 0..LANES / 2 {
                let weights = weights.add(pair * 2 * LANES);
                D::accumulate_words(&mut sums, inputs.add(pair * 2), LANES, weights);
            }
            weights = weights.add(SQUARE);
            inputs = inputs.add(CHUNK * LANES);
        }
        sums
    }
}

/// Row `y` of `A2' m A4` for one tile: 48 times its sums.
///
/// # Safety
///
/// The processor has the instruction set of `D`; at `sums`, `CHUNK` vectors apart, lie the sums of
/// each point.
#[inline(always)]
unsafe fn output<D: WordDot>(sums: *const i32, y: usize) -> [D; TILE[1]] {
    // SAFETY: the caller promises sums and the instruction set.
    unsafe {
        let mut m = [D::zero(); PATCH[1]];
        for (x, m) in m.iter_mut().enumerate() {
            let column = sums.add(x * CHUNK * LANES);
            let row = PATCH[1] * CHUNK * LANES;
            let [m1, m2] = [D::load(column.add(row)), D::load(column.add(2 * row))];
            *m = match y {
                0 => D::load(column).add(m1).add(m2),
                _ => m1.sub(m2).sub(D::load(column.add(3 * row))),
            };
        }
        let [m0, m1, m2, m3, m4, m5] = m;
        let [s12, d12, s34, d34] = [m1.add(m2), m1.sub(m2), m3.add(m4), m3.sub(m4)];
        [
            m0.add(s12).add(s34),
            d12.add(d34.shift::<1>()),
            s12.add(s34.shift::<2>()),
            d12.add(d34.shift::<3>()).add(m5),
        ]
    }
}
