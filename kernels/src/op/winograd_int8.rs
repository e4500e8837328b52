//! Convolution from `u8` and `i8` by minimal filtering in integers, as `winograd.rs` has it for `f32`, and
//! exact: F(2,3) down the columns, F(4,3) along the rows, and of a pair of output planes F(2,3) across
//! them as well.
//!
//! Transformed weights are 2 * 24 times those of the textbook, for a pair 2 * 2 * 24 times, and therefore
//! integers. After their transforms inputs, at most 4 * 10 * 255, and weights, at most 9 * 24 * 127, fit
//! 16 bits. Sums wrap around: what comes out is 48 or 96 times the direct sum, modulo 2^32. A third of that
//! is 16 or 32 times the sum, modulo 2^32 again, and a shift leaves the sum for as many input channels
//! as are accepted. Weights are transformed once per call, which large planes hardly notice.
//!
//! `DEPTH` counts the input planes of a call: 3 for one output plane, 4 for two.

use std::ops::Range;
use std::ptr;

use super::finish::Finish;
use super::for_each_tile;
use super::winograd::{ACROSS, CHUNK, PATCH, POINTS, TAPS, TILE, clip, grid, pair, runs};
use crate::contract::{ConvInt8Args, ConvProblem, GROUP, LANES};
use crate::registry::Int8Form;
use crate::vector::Vector;
use crate::words::{WordDot, Words};

/// Weights of one tap from a block to a block.
const SQUARE: usize = LANES * LANES;
/// Input channels times output channels whose weights are transformed at a time.
const PART: usize = LANES * GROUP;
/// Elements of a point in the sums, `[out block][output plane][point][tile][16]`.
const SUMS: usize = CHUNK * LANES;
/// Output voxels of a call that is worth transforming the weights for.
const FEWEST_VOXELS: usize = 256;
/// The same of a plane, where [`PAIR_OR_DOTS`] has the choice.
#[cfg(target_arch = "x86_64")]
const FEWEST_VOXELS_OR_DOTS: usize = 4096;

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

/// One output plane.
pub(crate) static PLANE: Int8Form = Int8Form {
    accepts: accepts::<3>,
    pays: pays::<3>,
    planes: 1,
    scratch_len: scratch_len::<3>,
};

/// Two output planes.
pub(crate) static PAIR: Int8Form = Int8Form {
    accepts: |problem| match problem.depth % 2 {
        1 => Err("planes do not pair up"),
        _ => accepts::<4>(problem),
    },
    pays: pays::<4>,
    planes: 2,
    scratch_len: scratch_len::<4>,
};

/// The same where the direct sum has instructions for four products at a time.
#[cfg(target_arch = "x86_64")]
pub(crate) static PAIR_OR_DOTS: Int8Form = Int8Form {
    pays: |problem| match problem.height * problem.width {
        _ if problem.inputs.min(problem.outputs) == 1 => Err("one block of channels"),
        ..FEWEST_VOXELS_OR_DOTS => Err("small plane"),
        _ => Ok(()),
    },
    ..PAIR
};

fn accepts<const DEPTH: usize>(problem: &ConvProblem) -> Result<(), &'static str> {
    match problem {
        ConvProblem { kernel: 1, .. } => Err("one tap"),
        ConvProblem { planar: true, .. } => Err("planar input"),
        ConvProblem { stride: 2, .. } => Err("stride 2"),
        ConvProblem { dilation: 2.., .. } => Err("dilated"),
        _ if problem.inputs > most_inputs(output_planes(DEPTH)) => {
            Err("too many channels for 32-bit sums")
        }
        _ => Ok(()),
    }
}

fn pays<const DEPTH: usize>(problem: &ConvProblem) -> Result<(), &'static str> {
    match output_planes(DEPTH) * problem.height * problem.width {
        ..FEWEST_VOXELS => Err("small plane"),
        _ => Ok(()),
    }
}

/// Output planes that come from `depth` input planes.
const fn output_planes(depth: usize) -> usize {
    depth + 1 - TAPS
}

/// Input blocks for which 16 sums per output plane fit 32 bits: a block adds 27 taps of 8 pairs of at
/// most 255 * 128.
const fn most_inputs(planes: usize) -> usize {
    i32::MAX as usize / (16 * planes * 27 * 8 * 255 * 128)
}

fn scratch_len<const DEPTH: usize>(problem: &ConvProblem) -> usize {
    let weights = problem.outputs * weights_per_block::<DEPTH>(problem);
    let inputs = PATCH[1] * point_len::<DEPTH>(problem);
    let sums = problem.outputs * output_planes(DEPTH) * POINTS * SUMS;
    (weights + inputs) / 2 + sums + LANES
}

/// Elements of the transformed weights of one output block:
/// `[out block][point][dz or point across][in block][8 pairs][16 out][2 in]`.
fn weights_per_block<const DEPTH: usize>(problem: &ConvProblem) -> usize {
    POINTS * DEPTH * problem.inputs * SQUARE
}

/// Elements from one point to the next in a row of points of the transformed inputs of a chunk,
/// `[point][dz or point across][in block][tile][16]`. One cache line more than needed, lest all points
/// of a tile fall into the same cache set.
fn point_len<const DEPTH: usize>(problem: &ConvProblem) -> usize {
    DEPTH * problem.inputs * CHUNK * LANES + 2 * LANES
}

/// # Safety
///
/// The processor has the instruction set of `D`; `args.check` passed for this form's scratch, and the
/// form accepts the problem; there is a second plane if `DEPTH` is 4.
#[inline(always)]
pub(crate) unsafe fn winograd<D: WordDot, const WIDTH: usize, const DEPTH: usize>(
    args: &mut ConvInt8Args,
) {
    let problem = args.problem;
    let [height, width] = [problem.height, problem.width];
    let point_len = point_len::<DEPTH>(&problem);
    let depth = DEPTH * problem.inputs;
    let tiles = grid(&problem).iter().product();
    let blocks = args.blocks.clone();
    // SAFETY: `check` proved the scratch to hold the sums, the transformed weights and inputs, and what
    // alignment may cost; the weights hold every output block.
    unsafe {
        let scratch = args.scratch.as_mut_ptr();
        let sums = scratch.add(scratch.align_offset(64).min(LANES));
        let sums_per_block = output_planes(DEPTH) * POINTS * SUMS;
        let weights = sums.add(blocks.len() * sums_per_block).cast::<i16>();
        let inputs = weights.add(blocks.len() * weights_per_block::<DEPTH>(&problem));
        for (i, block) in blocks.clone().enumerate() {
            let packed = &args.weights[block * problem.int8_weights_per_block()..];
            let packed = packed.chunks_exact(TAPS * TAPS * TAPS * SQUARE);
            let to = weights.add(i * weights_per_block::<DEPTH>(&problem));
            for (input, taps) in packed.take(problem.inputs).enumerate() {
                let to = to.add(input * SQUARE);
                transform_weights::<DEPTH>(taps, to, problem.inputs * SQUARE);
            }
        }
        let finish = Finish::<D::Floats>::new(&mut args.epilogue, height, width);
        let next = (args.next.as_mut())
            .map(|next| Finish::<D::Floats>::new(&mut next.epilogue, height, width));
        let finish = [Some(finish), next];
        for first in (0..tiles).step_by(CHUNK) {
            let chunk = first..(first + CHUNK).min(tiles);
            for y in 0..PATCH[0] {
                transform::<D::Words, DEPTH>(args, chunk.clone(), y, inputs, point_len);
                for x in 0..PATCH[1] {
                    for i in 0..blocks.len() {
                        let point = y * PATCH[1] + x;
                        products::<D, WIDTH, DEPTH>(
                            weights.add((i * POINTS + point) * depth * SQUARE),
                            inputs.add(x * point_len),
                            problem.inputs,
                            chunk.len(),
                            sums.add(i * sums_per_block + point * SUMS),
                        );
                    }
                }
            }
            for (i, block) in blocks.clone().enumerate() {
                let offset = D::load(args.offset.as_ptr().add(block * LANES));
                let scale = D::Floats::load(args.scale.as_ptr().add(block * LANES));
                let bias = D::Floats::load(args.bias.as_ptr().add(block * LANES));
                for (plane, finish) in finish.iter().flatten().enumerate() {
                    let sums = sums.add(i * sums_per_block + plane * POINTS * SUMS);
                    for run in runs(&problem, chunk.clone()) {
                        for tile in 0..run.len {
                            let at = [run.row, run.column + tile * TILE[1]];
                            let inside = [TILE[0].min(height - at[0]), TILE[1].min(width - at[1])];
                            let sums = sums.add((run.first + tile) * LANES);
                            for y in 0..inside[0] {
                                let row = output::<D, DEPTH>(sums, y);
                                for (x, sum) in row.into_iter().enumerate().take(inside[1]) {
                                    let sum = sum.add(offset).to_floats().mul_add(scale, bias);
                                    finish.store(sum, block, at[0] + y, at[1] + x, 0);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Transforms the 27 weights from a block to a block, `[tap][4 groups][16 out][4 in]`. Each plane, or
/// point across, has its 256 values `plane_len` elements behind those of the one before, and each point
/// `DEPTH` times that.
///
/// # Safety
///
/// 256 values may be written for each plane of each of the points.
#[inline(always)]
unsafe fn transform_weights<const DEPTH: usize>(taps: &[i8], to: *mut i16, plane_len: usize) {
    for part in 0..SQUARE / PART {
        let mut g = [[[[0; PART]; TAPS]; TAPS]; TAPS];
        let by_tap = g.as_flattened_mut().as_flattened_mut();
        for (tap, g) in by_tap.iter_mut().enumerate() {
            let weights = &taps[tap * SQUARE + part * PART..][..PART];
            for (g, &weight) in g.iter_mut().zip(weights) {
                *g = i16::from(weight);
            }
        }
        for plane in 0..DEPTH {
            // SAFETY: the caller promises room for the values of every plane.
            unsafe {
                let to = to.add(plane * plane_len + part * PART);
                let g = match DEPTH {
                    TAPS => g[plane],
                    _ => across(&g, G2[ACROSS[plane]]),
                };
                transform_plane(&g, to, DEPTH * plane_len);
            }
        }
    }
}

/// The sum of three planes, each times its factor.
#[inline(always)]
fn across(
    g: &[[[[i16; PART]; TAPS]; TAPS]; TAPS],
    [a, b, c]: [i16; TAPS],
) -> [[[i16; PART]; TAPS]; TAPS] {
    let mut sums = g[0];
    for (tap, sums) in sums.as_flattened_mut().iter_mut().enumerate() {
        let [first, second, third] = g.each_ref().map(|plane| &plane.as_flattened()[tap]);
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = a * first[i] + b * second[i] + c * third[i];
        }
    }
    sums
}

/// Transforms the 3 x 3 weights of a plane, `[tap][16 out][4 in]`; those of a point go `point_len`
/// elements behind those of the one before.
///
/// # Safety
///
/// 64 values may be written for each of the points.
#[inline(always)]
unsafe fn transform_plane(g: &[[[i16; PART]; TAPS]; TAPS], to: *mut i16, point_len: usize) {
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
                to.add((y * PATCH[1] + x) * point_len)
                    .cast::<[[[i16; 2]; LANES]; GROUP / 2]>()
                    .write_unaligned(pairs);
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
unsafe fn transform<W: Words, const DEPTH: usize>(
    args: &ConvInt8Args,
    chunk: Range<usize>,
    y: usize,
    inputs: *mut i16,
    point_len: usize,
) {
    let problem = &args.problem;
    let steps = [problem.inputs * CHUNK * LANES, point_len];
    let mut to = inputs;
    // SAFETY: a tile starts one row and one column before its outputs, which is inside the halo;
    // where it ends beyond the halo `clip` takes over. `to` counts in-blocks and tiles.
    unsafe {
        for (i, source) in args.sources.iter().enumerate() {
            let shape = source.shape;
            let pitch = shape.pitch() * LANES;
            let next = args.next.as_ref().map(|next| next.planes[i]);
            for block in 0..source.blocks {
                let corner = block * shape.area() + shape.voxel(0, 0) - shape.pitch() - 1;
                for run in runs(problem, chunk.clone()) {
                    let start = corner * LANES + run.row * pitch + run.column * LANES;
                    let mut from = [ptr::null(); DEPTH];
                    for (from, plane) in from.iter_mut().zip(source.planes.into_iter().chain(next))
                    {
                        *from = plane.as_ptr().add(start);
                    }
                    let to = to.add(run.first * LANES);
                    // Input rows and columns that exist, the far halo included.
                    let rows = problem.height + 2 - run.row;
                    let columns = problem.width + 2 - run.column;
                    let whole = match rows < PATCH[0] {
                        true => 0,
                        false => run.len.min((columns + TILE[1] - PATCH[1]) / TILE[1]),
                    };
                    input::<W, DEPTH>(from, pitch, y, whole, to, steps);
                    for tile in whole..run.len {
                        let skip = tile * TILE[1];
                        let patches = from.map(|from| {
                            clip(from.add(skip * LANES), pitch, [rows, columns - skip])
                        });
                        let from = patches.each_ref().map(|patch| patch.as_ptr().cast());
                        let to = to.add(tile * LANES);
                        input::<W, DEPTH>(from, PATCH[1] * LANES, y, 1, to, steps);
                    }
                }
                to = to.add(CHUNK * LANES);
            }
        }
    }
}

/// Row `y` of the transform of `count` neighbouring tiles. Of the first one, point `x` of plane, or point
/// across, `i` goes to `to + i * steps[0] + x * steps[1]`; those of the others follow it.
///
/// # Safety
///
/// The processor has the instruction set of `W`; 4 rows, `pitch` elements apart, of the tiles'
/// voxels may be read in every plane, and `count` times 16 values be written for each plane of each
/// of six points.
#[inline(always)]
unsafe fn input<W: Words, const DEPTH: usize>(
    planes: [*const u8; DEPTH],
    pitch: usize,
    y: usize,
    count: usize,
    to: *mut i16,
    steps: [usize; 2],
) {
    let [one, other] = pair(y);
    let mut rows = [[ptr::null(); 2]; DEPTH];
    // SAFETY: passed on from the caller.
    unsafe {
        for (rows, plane) in rows.iter_mut().zip(planes) {
            *rows = [plane.add(one * pitch), plane.add(other * pitch)];
        }
        match y {
            1 => combine::<W, DEPTH, true>(rows, count, to, steps),
            _ => combine::<W, DEPTH, false>(rows, count, to, steps),
        }
    }
}

/// The transform of `count` neighbouring tiles, from the sums or differences of two rows.
///
/// # Safety
///
/// As for `input`, of which `rows` are the rows in question.
#[inline(always)]
unsafe fn combine<W: Words, const DEPTH: usize, const SUM: bool>(
    rows: [[*const u8; 2]; DEPTH],
    count: usize,
    to: *mut i16,
    [plane_len, point_len]: [usize; 2],
) {
    for tile in 0..count {
        // SAFETY: the caller promises the rows, the points and the instruction set.
        unsafe {
            let mut d = [[W::widen(rows[0][0]); PATCH[1]]; DEPTH];
            for (d, [a, b]) in d.iter_mut().zip(rows) {
                for (x, d) in d.iter_mut().enumerate() {
                    let at = (tile * TILE[1] + x) * LANES;
                    let [a, b] = [W::widen(a.add(at)), W::widen(b.add(at))];
                    *d = if SUM { a.add(b) } else { a.sub(b) };
                }
            }
            if let [d0, d1, d2, d3] = d.as_mut_slice() {
                for x in 0..PATCH[1] {
                    let [e0, e1, e2, e3] = [d0[x], d1[x], d2[x], d3[x]];
                    // In the order of `ACROSS`.
                    d0[x] = e1.add(e2);
                    d1[x] = e2.sub(e1);
                    d2[x] = e0.sub(e2);
                    d3[x] = e3.sub(e1);
                }
            }
            for (plane, d) in d.into_iter().enumerate() {
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
                let to = to.add(plane * plane_len + tile * LANES);
                for (x, point) in points.into_iter().enumerate() {
                    point.store(to.add(x * point_len));
                }
            }
        }
    }
}

/// Sums of products at one point, `sums[tile][out]`; those of the second output plane lie `POINTS`
/// points behind those of the first.
///
/// # Safety
///
/// The processor has the instruction set of `D`; `DEPTH` times `blocks` planes of `CHUNK` vectors may be
/// read at `inputs` and as many squares at `weights`; `count <= CHUNK` vectors may be written for each
/// output plane.
#[inline(always)]
unsafe fn products<D: WordDot, const WIDTH: usize, const DEPTH: usize>(
    weights: *const i16,
    inputs: *const i16,
    blocks: usize,
    count: usize,
    sums: *mut i32,
) {
    for_each_tile!(count, WIDTH, |tile, TILES| {
        // SAFETY: tiles up to `count` exist, says the caller.
        unsafe {
            let inputs = inputs.add(tile * LANES);
            let mut first = [D::zero(); TILES];
            if DEPTH == TAPS {
                accumulate(&mut first, weights, inputs, DEPTH * blocks);
            } else {
                let weights = |across| weights.add(across * blocks * SQUARE);
                let inputs = |across| inputs.add(across * blocks * CHUNK * LANES);
                let mut second = first;
                accumulate(&mut first, weights(0), inputs(0), blocks);
                accumulate(&mut second, weights(1), inputs(1), blocks);
                for (first, second) in first.iter_mut().zip(&mut second) {
                    (*first, *second) = (first.add(*second), first.sub(*second));
                }
                accumulate(&mut first, weights(2), inputs(2), blocks);
                accumulate(&mut second, weights(3), inputs(3), blocks);
                for (i, sum) in second.into_iter().enumerate() {
                    sum.store(sums.add(POINTS * SUMS + (tile + i) * LANES));
                }
            }
            for (i, sum) in first.into_iter().enumerate() {
                sum.store(sums.add((tile + i) * LANES));
            }
        }
    });
}

/// Adds to each sum the products of inputs, `[plane][tile][16 in]`, and weights,
/// `[plane][8 pairs][16 out][2 in]`.
///
/// # Safety
///
/// As for `products`, for `WIDTH` tiles.
#[inline(always)]
unsafe fn accumulate<D: WordDot, const WIDTH: usize>(
    sums: &mut [D; WIDTH],
    mut weights: *const i16,
    mut inputs: *const i16,
    depth: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        for _ in 0..depth {
            for pair in 0..LANES / 2 {
                let weights = weights.add(pair * 2 * LANES);
                D::accumulate_words(sums, inputs.add(pair * 2), LANES, weights);
            }
            weights = weights.add(SQUARE);
            inputs = inputs.add(CHUNK * LANES);
        }
    }
}

/// Row `y` of `A2' m A4` for one tile, a 48th or 96th of it: its sums.
///
/// # Safety
///
/// The processor has the instruction set of `D`; at `sums`, `CHUNK` vectors apart, lie the sums of
/// each point.
#[inline(always)]
unsafe fn output<D: WordDot, const DEPTH: usize>(sums: *const i32, y: usize) -> [D; TILE[1]] {
    // SAFETY: the caller promises sums and the instruction set.
    unsafe {
        let mut m = [D::zero(); PATCH[1]];
        for (x, m) in m.iter_mut().enumerate() {
            let column = sums.add(x * CHUNK * LANES);
            let row = PATCH[1] * CHUNK * LANES;
            let [m1, m2] = [D::load(column.add(row)), D::load(column.add(2 * row))];
            *m = match y {
                0 => D::load(column).add(m1).add(m2),
                _ => m1.sub(m2).add(D::load(column.add(3 * row))),
            };
        }
        let [m0, m1, m2, m3, m4, m5] = m;
        let [s12, d12, s34, d34] = [m1.add(m2), m1.sub(m2), m3.add(m4), m3.sub(m4)];
        let mut row = [
            m0.add(s12).add(s34),
            d12.add(d34.shift::<1>()),
            s12.add(s34.shift::<2>()),
            d12.add(d34.shift::<3>()).add(m5),
        ];
        for sum in &mut row {
            *sum = match DEPTH {
                TAPS => sum.shifted_third::<4>(),
                _ => sum.shifted_third::<5>(),
            };
        }
        row
    }
}
