//! Convolution by minimal filtering: F(2,3) across the planes and down the columns, F(4,3) along the
//! rows (Winograd 1980; Lavin and Gray, arXiv 1509.09308).
//!
//! A tile of 2 x 2 x 4 outputs takes 96 products per input channel instead of 432: with `d` the
//! 4 x 4 x 6 inputs around it and `g` the 3 x 3 x 3 weights, the outputs are the transforms
//! `A2' x A2' x A4'` of the element-wise product of `(G2 x G2 x G4) g` and `(B2' x B2' x B4') d`,
//! summed over channels. Tiles are worked on in chunks, and a chunk row of points by row of points, so
//! that what lies between transform and product stays in the first-level cache: transform the inputs
//! to six points, multiply those with the weights of every output block, and when all rows are done
//! transform the sums back. Across the planes that happens as the products are made.

use std::iter;
use std::ops::Range;

use super::finish::Finish;
use super::for_each_tile;
use crate::contract::{ConvArgs, ConvProblem, LANES, Source};
use crate::registry::{Form, Prepared};
use crate::vector::Vector;

/// Output rows and columns of a tile, in each of two planes.
pub(super) const TILE: [usize; 2] = [2, 4];
/// Input rows and columns of a tile, in each of `DEPTH` planes.
pub(super) const PATCH: [usize; 2] = [4, 6];
const DEPTH: usize = 4;
/// Products per input value after the transform across the planes.
pub(super) const POINTS: usize = PATCH[0] * PATCH[1];
/// Most tiles per chunk.
pub(super) const CHUNK: usize = 24;
/// Input blocks up to which what a chunk reads of the planes stays in the first-level cache for all
/// its points, if the chunk is short; beyond, the weights are read less often for long ones.
const FEW_INPUTS: usize = 2;
/// Tiles per chunk with few inputs.
const SHORT_CHUNK: usize = 16;
/// Elements of a point's sums, of one output plane.
const SUMS: usize = CHUNK * LANES;
/// Taps along each axis.
pub(super) const TAPS: usize = 3;
/// Fewer output voxels than this would not pay for the transform of the weights.
const FEWEST_VOXELS: usize = 1024;
/// The points across the planes in the order in which their products are made: the sum and the
/// difference of the first two start the sums of the two output planes, and the other two each go
/// on with one of them.
pub(super) const ACROSS: [usize; DEPTH] = [1, 2, 0, 3];

const G2: [[f64; TAPS]; PATCH[0]] = [
    [1.0, 0.0, 0.0],
    [0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5],
    [0.0, 0.0, 1.0],
];
const G4: [[f64; TAPS]; PATCH[1]] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

pub(crate) static WINOGRAD: Form = Form {
    accepts,
    planes: 2,
    prepared: Some(Prepared {
        block_len: weights_per_block,
        fill: prepare,
    }),
    scratch_len: |problem| {
        PATCH[1] * point_len(problem) + problem.outputs * 2 * POINTS * SUMS + LANES
    },
};

fn accepts(problem: &ConvProblem) -> Result<(), &'static str> {
    let [rows, columns] = grid(problem);
    match problem {
        ConvProblem { kernel: 1, .. } => Err("one tap"),
        ConvProblem { planar: true, .. } => Err("planar input"),
        ConvProblem { stride: 2, .. } => Err("stride 2"),
        ConvProblem { dilation: 2.., .. } => Err("dilated"),
        _ if problem.depth % 2 == 1 => Err("planes do not pair up"),
        _ if rows * columns * TILE[0] * TILE[1] > 2 * problem.height * problem.width => {
            Err("most of each tile would be empty")
        }
        _ if problem.depth * problem.height * problem.width < FEWEST_VOXELS => {
            Err("the volume is too small")
        }
        _ => Ok(()),
    }
}

/// Rows and columns of tiles.
pub(super) fn grid(problem: &ConvProblem) -> [usize; 2] {
    [
        problem.height.div_ceil(TILE[0]),
        problem.width.div_ceil(TILE[1]),
    ]
}

/// Tiles per chunk.
fn chunk_len(problem: &ConvProblem) -> usize {
    if problem.inputs <= FEW_INPUTS {
        SHORT_CHUNK
    } else {
        CHUNK
    }
}

/// Elements of the transformed weights of one output block:
/// `[row of points][point across][point][in block][16 in][16 out]`.
fn weights_per_block(problem: &ConvProblem) -> usize {
    DEPTH * POINTS * problem.inputs * LANES * LANES
}

/// Elements from one point to the next in a row of points of the transformed inputs of a chunk,
/// `[point][in block][tile][16]`. One vector more than needed, lest all points of a tile fall into
/// the same cache set.
fn point_len(problem: &ConvProblem) -> usize {
    problem.inputs * CHUNK * LANES + LANES
}

fn prepare(problem: &ConvProblem, packed: &[f32], out: &mut [f32]) {
    const SQUARE: usize = LANES * LANES;
    let blocks = packed.chunks_exact(TAPS * TAPS * TAPS * SQUARE);
    for (block, taps) in blocks.enumerate() {
        for (across, &z) in ACROSS.iter().enumerate() {
            for (y, along_y) in G2.iter().enumerate() {
                let mut row = [[0.0; SQUARE]; TAPS];
                for tap in 0..TAPS * TAPS * TAPS {
                    let factor = G2[z][tap / (TAPS * TAPS)] * along_y[tap / TAPS % TAPS];
                    if factor == 0.0 {
                        continue;
                    }
                    let weights = &taps[tap * SQUARE..][..SQUARE];
                    for (sum, &weight) in row[tap % TAPS].iter_mut().zip(weights) {
                        *sum += factor * f64::from(weight);
                    }
                }
                for (x, [a, b, c]) in G4.iter().enumerate() {
                    let point = (y * DEPTH + across) * PATCH[1] + x;
                    let out = &mut out[(point * problem.inputs + block) * SQUARE..][..SQUARE];
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = (a * row[0][i] + b * row[1][i] + c * row[2][i]) as f32;
                    }
                }
            }
        }
    }
}

/// # Safety
///
/// The processor has the instruction set of `V`; `args.check` passed for this form's weights and
/// scratch, and the form accepts the problem.
#[inline(always)]
pub(crate) unsafe fn winograd<V: Vector, const WIDTH: usize>(args: &mut ConvArgs) {
    let problem = args.problem;
    let point_len = point_len(&problem);
    let tiles = grid(&problem).iter().product();
    let Some(next) = &mut args.next else {
        return;
    };
    // SAFETY: `check` proved the scratch to hold the transformed inputs, the sums, and the vector
    // that alignment may cost; the weights hold every output block.
    unsafe {
        let scratch = args.scratch.as_mut_ptr();
        let inputs = scratch.add(scratch.align_offset(64).min(LANES));
        let sums = inputs.add(PATCH[1] * point_len);
        let [height, width] = [problem.height, problem.width];
        let finish = [
            Finish::<V::Part>::new(&mut args.epilogue, height, width),
            Finish::<V::Part>::new(&mut next.epilogue, height, width),
        ];
        let volume = Volume {
            problem,
            sources: args.sources,
            next: next.planes,
        };
        let step = chunk_len(&problem);
        for first in (0..tiles).step_by(step) {
            let chunk = first..(first + step).min(tiles);
            let ahead = volume.new_rows(first + step, step);
            for y in 0..PATCH[0] {
                for (across, z) in ACROSS.into_iter().enumerate() {
                    volume.transform::<V::Part>(chunk.clone(), z, y, inputs, point_len);
                    for (i, block) in args.blocks.clone().enumerate() {
                        let weights = args.weights.as_ptr().add(
                            block * weights_per_block(&problem)
                                + (y * DEPTH + across) * PATCH[1] * problem.inputs * LANES * LANES,
                        );
                        for x in 0..PATCH[1] {
                            if i == 0 {
                                volume.prefetch::<V>(&ahead, across, y * PATCH[1] + x);
                            }
                            products::<V, WIDTH>(
                                weights.add(x * problem.inputs * LANES * LANES),
                                inputs.add(x * point_len),
                                problem.inputs,
                                chunk.len(),
                                across,
                                [
                                    sums.add((i * 2 * POINTS + y * PATCH[1] + x) * SUMS),
                                    sums.add(((i * 2 + 1) * POINTS + y * PATCH[1] + x) * SUMS),
                                ],
                            );
                        }
                    }
                }
            }
            for (i, block) in args.blocks.clone().enumerate() {
                let bias = args.bias.as_ptr().add(block * LANES);
                for (plane, finish) in finish.iter().enumerate() {
                    let sums = sums.add((i * 2 + plane) * POINTS * SUMS);
                    for run in runs(&problem, chunk.clone()) {
                        for tile in 0..run.len {
                            let at = [run.row, run.column + tile * TILE[1]];
                            let inside = [
                                TILE[0].min(problem.height - at[0]),
                                TILE[1].min(problem.width - at[1]),
                            ];
                            let sums = sums.add((run.first + tile) * LANES);
                            output(sums, bias, finish, block, at, inside);
                        }
                    }
                }
            }
        }
    }
}

/// Neighbouring tiles of one row.
pub(super) struct Run {
    /// Position of the first one in the chunk.
    pub(super) first: usize,
    /// First output row and column.
    pub(super) row: usize,
    pub(super) column: usize,
    /// Tiles.
    pub(super) len: usize,
}

/// The runs that make up a chunk.
#[inline(always)]
pub(super) fn runs(problem: &ConvProblem, chunk: Range<usize>) -> impl Iterator<Item = Run> {
    let [_, columns] = grid(problem);
    let mut tile = chunk.start;
    iter::from_fn(move || {
        let len = (columns - tile % columns).min(chunk.end - tile);
        let run = Run {
            first: tile - chunk.start,
            row: tile / columns * TILE[0],
            column: tile % columns * TILE[1],
            len,
        };
        tile += len;
        (len > 0).then_some(run)
    })
}

/// What the two output planes are computed from.
struct Volume<'a> {
    problem: ConvProblem,
    sources: &'a [Source<'a>],
    /// The fourth plane of each source.
    next: &'a [&'a [f32]],
}

/// Where the rows of a plane are that a chunk reads and the tiles above it do not, and how many of their
/// voxels one of `POINTS` parts has.
struct NewRows {
    row: usize,
    column: usize,
    share: usize,
}

impl Volume<'_> {
    /// Those of the chunk of `len` tiles from `first` on.
    fn new_rows(&self, first: usize, len: usize) -> NewRows {
        let [_, columns] = grid(&self.problem);
        NewRows {
            row: first / columns * TILE[0] + 1,
            column: first % columns * TILE[1],
            share: (len * TILE[1] * TILE[0]).div_ceil(POINTS),
        }
    }

    /// Asks for a part of the rows in one of four planes, which arrive while products are made.
    #[inline(always)]
    fn prefetch<V: Vector>(&self, rows: &NewRows, plane: usize, part: usize) {
        let [row, column] = [part / (POINTS / 2), part % (POINTS / 2)];
        for (source, next) in self.sources.iter().zip(self.next) {
            let shape = source.shape;
            let [before, at, after] = source.planes;
            let data = [before, at, after, next][plane].as_ptr();
            let voxel = shape.voxel(rows.row + row, rows.column + column * rows.share);
            for block in 0..source.blocks {
                for voxel in voxel..voxel + rows.share {
                    V::Part::prefetch(data.wrapping_add((block * shape.area() + voxel) * LANES));
                }
            }
        }
    }

    /// Row `y` of the transformed inputs of a chunk of tiles at point `z` across the planes.
    ///
    /// # Safety
    ///
    /// As for `winograd`; `inputs` has room for six points.
    #[inline(always)]
    unsafe fn transform<P: Vector>(
        &self,
        chunk: Range<usize>,
        z: usize,
        y: usize,
        inputs: *mut f32,
        point_len: usize,
    ) {
        let problem = &self.problem;
        let mut to = inputs;
        // SAFETY: a tile starts one row and one column before its outputs, which is inside the halo;
        // where it ends beyond the halo `clip` takes over. `to` counts in-blocks and tiles.
        unsafe {
            for (source, next) in self.sources.iter().zip(self.next) {
                let shape = source.shape;
                let pitch = shape.pitch() * LANES;
                let [before, at, after] = source.planes;
                let planes = [before, at, after, next];
                let [one, other] = pair(z);
                let planes = [planes[one].as_ptr(), planes[other].as_ptr()];
                for block in 0..source.blocks {
                    let corner = block * shape.area() + shape.voxel(0, 0) - shape.pitch() - 1;
                    for run in runs(problem, chunk.clone()) {
                        let start = corner * LANES + run.row * pitch + run.column * LANES;
                        let from = [planes[0].add(start), planes[1].add(start)];
                        let to = to.add(run.first * LANES);
                        // Input rows and columns that exist, the far halo included.
                        let rows = problem.height + 2 - run.row;
                        let columns = problem.width + 2 - run.column;
                        let whole = match rows < PATCH[0] {
                            true => 0,
                            false => run.len.min((columns + TILE[1] - PATCH[1]) / TILE[1]),
                        };
                        input::<P>(from, pitch, [z, y], whole, to, point_len);
                        for tile in whole..run.len {
                            let skip = tile * TILE[1];
                            let inside = [rows, columns - skip];
                            let patches = [
                                clip(from[0].add(skip * LANES), pitch, inside),
                                clip(from[1].add(skip * LANES), pitch, inside),
                            ];
                            let from = [patches[0].as_ptr().cast(), patches[1].as_ptr().cast()];
                            let to = to.add(tile * LANES);
                            input::<P>(from, PATCH[1] * LANES, [z, y], 1, to, point_len);
                        }
                    }
                    to = to.add(CHUNK * LANES);
                }
            }
        }
    }
}

/// The two of four planes or rows that point `point` of `B2'` takes: their sum for point 1, the
/// first less the second for the others. Point 3 has the other sign than usual, so that its products
/// are added.
pub(super) fn pair(point: usize) -> [usize; 2] {
    match point {
        0 => [0, 2],
        1 => [1, 2],
        2 => [2, 1],
        _ => [3, 1],
    }
}

/// The inputs of a tile that reaches beyond the halo, zeros where nothing is.
///
/// # Safety
///
/// At `from` lie `inside` rows and columns of 16 channels, rows `pitch` elements apart.
#[inline(always)]
pub(super) unsafe fn clip<T: Copy + Default>(
    from: *const T,
    pitch: usize,
    inside: [usize; 2],
) -> [[[T; LANES]; PATCH[1]]; PATCH[0]] {
    let mut patch = [[[T::default(); LANES]; PATCH[1]]; PATCH[0]];
    for (y, row) in patch.iter_mut().enumerate().take(inside[0]) {
        for (x, voxel) in row.iter_mut().enumerate().take(inside[1]) {
            // SAFETY: the caller promises that the voxel exists.
            *voxel = unsafe { from.add(y * pitch + x * LANES).cast::<[T; LANES]>().read() };
        }
    }
    patch
}

/// Row `y` of the transform of `count` neighbouring tiles; point `x` of the first goes to
/// `to + x * point_len`, those of the others follow it. `from` are the two planes of [`pair`].
///
/// # Safety
///
/// The processor has the instruction set of `P`; 4 rows, `pitch` elements apart, of the tiles'
/// voxels may be read in both planes, and `count` times 16 values be written for each of six points.
#[inline(always)]
unsafe fn input<P: Vector>(
    from: [*const f32; 2],
    pitch: usize,
    [z, y]: [usize; 2],
    count: usize,
    to: *mut f32,
    point_len: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        let [one, other] = pair(y);
        let rows_in = |plane: *const f32| [plane.add(one * pitch), plane.add(other * pitch)];
        let rows = [rows_in(from[0]), rows_in(from[1])];
        match (z, y) {
            (1, 1) => combine::<P, true, true>(rows, count, to, point_len),
            (1, _) => combine::<P, true, false>(rows, count, to, point_len),
            (_, 1) => combine::<P, false, true>(rows, count, to, point_len),
            _ => combine::<P, false, false>(rows, count, to, point_len),
        }
    }
}

/// `B4'` of the sum or difference of two planes' sums or differences of two rows, for `count`
/// neighbouring tiles.
///
/// # Safety
///
/// As for `input`, of which `rows` are the rows in question.
#[inline(always)]
unsafe fn combine<P: Vector, const Z_SUM: bool, const Y_SUM: bool>(
    rows: [[*const f32; 2]; 2],
    count: usize,
    to: *mut f32,
    point_len: usize,
) {
    for tile in 0..count {
        for lane in (0..LANES).step_by(P::LANES) {
            // SAFETY: the caller promises the rows, the points and the instruction set.
            unsafe {
                let mut d = [P::splat(0.0); PATCH[1]];
                for (x, d) in d.iter_mut().enumerate() {
                    let at = (tile * TILE[1] + x) * LANES + lane;
                    let [a, b] = [
                        rows_of::<P, Y_SUM>(rows[0], at),
                        rows_of::<P, Y_SUM>(rows[1], at),
                    ];
                    *d = if Z_SUM { a.add(b) } else { a.sub(b) };
                }
                let [d0, d1, d2, d3, d4, d5] = d;
                let [two, four] = [P::splat(2.0), P::splat(4.0)];
                let minus_four = P::splat(-4.0);
                let [d42, d31] = [d4.sub(d2), d3.sub(d1)];
                let [even, odd] = [d2.mul_add(minus_four, d4), d1.mul_add(minus_four, d3)];
                let points = [
                    d0.sub(d2).mul_add(four, d42),
                    even.add(odd),
                    even.sub(odd),
                    d31.mul_add(two, d42),
                    d42.sub(d31.mul(two)),
                    d31.mul_add(minus_four, d5.sub(d3)),
                ];
                for (x, point) in points.into_iter().enumerate() {
                    point.store(to.add(x * point_len + tile * LANES + lane));
                }
            }
        }
    }
}

/// Sum or difference of two rows at element `at`.
///
/// # Safety
///
/// The processor has the instruction set of `P`; the rows reach that far.
#[inline(always)]
unsafe fn rows_of<P: Vector, const SUM: bool>([a, b]: [*const f32; 2], at: usize) -> P {
    // SAFETY: passed on from the caller.
    unsafe {
        let [a, b] = [P::load(a.add(at)), P::load(b.add(at))];
        if SUM { a.add(b) } else { a.sub(b) }
    }
}

/// Products at one point, the `across`-th of `ACROSS`, and what becomes of them:
/// `product[tile][out] = sum of inputs[block][tile][in] * weights[block][in][out]`.
///
/// # Safety
///
/// The processor has the instruction set of `V`; `depth` blocks of `CHUNK` vectors may be read at
/// `inputs` and `depth` squares at `weights`; `count <= CHUNK` vectors may be written at the `sums` of
/// either output plane, and hold those of the points before.
#[inline(always)]
unsafe fn products<V: Vector, const WIDTH: usize>(
    weights: *const f32,
    inputs: *const f32,
    depth: usize,
    count: usize,
    across: usize,
    sums: [*mut f32; 2],
) {
    for_each_tile!(count, WIDTH, |tile, TILES| {
        // SAFETY: tiles up to `count` exist, says the caller.
        unsafe {
            let [first, second] = [sums[0].add(tile * LANES), sums[1].add(tile * LANES)];
            let start = match across {
                0 | 1 => None,
                2 => Some(first.cast_const()),
                _ => Some(second.cast_const()),
            };
            let inputs = inputs.add(tile * LANES);
            let row = product::<V, TILES>(weights, inputs, depth, start);
            if across == 1 {
                for (i, sum) in row.into_iter().enumerate() {
                    let other = V::load(first.add(i * LANES));
                    other.add(sum).store(first.add(i * LANES));
                    other.sub(sum).store(second.add(i * LANES));
                }
            } else {
                let to = if across == 3 { second } else { first };
                for (i, sum) in row.into_iter().enumerate() {
                    sum.store(to.add(i * LANES));
                }
            }
        }
    });
}

/// Products of `WIDTH` tiles added to what lies at `start`.
///
/// # Safety
///
/// As for `products`, for `WIDTH` tiles.
#[inline(always)]
unsafe fn product<V: Vector, const WIDTH: usize>(
    mut weights: *const f32,
    mut inputs: *const f32,
    depth: usize,
    start: Option<*const f32>,
) -> [V; WIDTH] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [V::splat(0.0); WIDTH];
        if let Some(start) = start {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(start.add(i * LANES));
            }
        }
        for _ in 0..depth {
            for channel in 0..LANES {
                let weight = V::load(weights.add(channel * LANES));
                for (i, sum) in sums.iter_mut().enumerate() {
                    let value = V::splat(*inputs.add(i * LANES + channel));
                    *sum = value.mul_add(weight, *sum);
                }
            }
            weights = weights.add(LANES * LANES);
            inputs = inputs.add(CHUNK * LANES);
        }
        sums
    }
}

/// `A2' m A4` plus bias for 16 channels of one tile; stores the `inside` rows and columns of it.
///
/// # Safety
///
/// The processor has the instruction set of `P`; at `sums`, `CHUNK` vectors apart, lie the sums of
/// each point, at `bias` 16 values; the voxels exist in the planes of `finish`.
#[inline(always)]
unsafe fn output<P: Vector>(
    sums: *const f32,
    bias: *const f32,
    finish: &Finish<P>,
    block: usize,
    at: [usize; 2],
    inside: [usize; 2],
) {
    for lane in (0..LANES).step_by(P::LANES) {
        for y in 0..inside[0] {
            // SAFETY: the caller promises sums, bias, voxels and the instruction set.
            unsafe {
                let mut m = [P::splat(0.0); PATCH[1]];
                for (x, m) in m.iter_mut().enumerate() {
                    let column = sums.add(x * CHUNK * LANES + lane);
                    let row = PATCH[1] * CHUNK * LANES;
                    let [m1, m2] = [P::load(column.add(row)), P::load(column.add(2 * row))];
                    *m = match y {
                        0 => P::load(column).add(m1).add(m2),
                        _ => m1.sub(m2).add(P::load(column.add(3 * row))),
                    };
                }
                let [m0, m1, m2, m3, m4, m5] = m;
                let [s12, d12, s34, d34] = [m1.add(m2), m1.sub(m2), m3.add(m4), m3.sub(m4)];
                let row = [
                    m0.add(s12).add(s34),
                    d34.mul_add(P::splat(2.0), d12),
                    s34.mul_add(P::splat(4.0), s12),
                    d34.mul_add(P::splat(8.0), d12).add(m5),
                ];
                let bias = P::load(bias.add(lane));
                for (x, sum) in row.into_iter().enumerate().take(inside[1]) {
                    finish.store(sum.add(bias), block, at[0] + y, at[1] + x, lane);
                }
            }
        }
    }
}
