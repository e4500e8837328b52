//! Convolution by minimal filtering: F(2,3) down the columns, F(4,3) along the rows (Winograd 1980;
//! Lavin and Gray, arXiv 1509.09308), direct over the three planes.
//!
//! A tile of 2 x 4 outputs takes 24 products per input channel and plane instead of 72: with `d` the
//! 4 x 6 inputs around it and `g` the 3 x 3 weights, the outputs are
//! `A2' [(G2 g G4') * (B2' d B4)] A4` with the element-wise product summed over channels and planes.
//! Tiles are worked on in chunks: transform the inputs of a chunk, then per output block one small
//! matrix product for each of the 24 points, then transform back.

use super::conv::Finish;
use crate::contract::{ConvArgs, ConvProblem, LANES};
use crate::registry::{Form, Prepared};
use crate::vector::Vector;

/// Output rows and columns of a tile.
const TILE: [usize; 2] = [2, 4];
/// Input rows and columns of a tile, and products per input value.
const PATCH: [usize; 2] = [4, 6];
const POINTS: usize = PATCH[0] * PATCH[1];
/// Tiles per chunk.
const CHUNK: usize = 24;
/// Taps along each axis.
const TAPS: usize = 3;

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
    prepared: Some(Prepared {
        len: |problem| problem.outputs * weights_per_block(problem),
        fill: prepare,
    }),
    scratch_len: |problem| POINTS * (point_len(problem) + CHUNK * LANES) + LANES,
};

fn accepts(problem: &ConvProblem) -> Result<(), &'static str> {
    match problem {
        ConvProblem { kernel: 1, .. } => Err("one tap"),
        ConvProblem { planar: true, .. } => Err("planar input"),
        ConvProblem { stride: 2, .. } => Err("stride 2"),
        ConvProblem { dilation: 2.., .. } => Err("dilated"),
        _ if grid(problem).iter().product::<usize>() * TILE[0] * TILE[1]
            > 2 * problem.height * problem.width =>
        {
            Err("most of each tile would be empty")
        }
        _ => Ok(()),
    }
}

/// Rows and columns of tiles.
fn grid(problem: &ConvProblem) -> [usize; 2] {
    [
        problem.height.div_ceil(TILE[0]),
        problem.width.div_ceil(TILE[1]),
    ]
}

/// Elements of the transformed weights of one output block:
/// `[out block][point][in block][dz][16 in][16 out]`.
fn weights_per_block(problem: &ConvProblem) -> usize {
    POINTS * problem.inputs * TAPS * LANES * LANES
}

/// Elements from one point to the next in the transformed inputs of a chunk,
/// `[point][in block][dz][tile][16]`. One vector more than needed, lest all points of a tile fall
/// into the same cache set.
fn point_len(problem: &ConvProblem) -> usize {
    problem.inputs * TAPS * CHUNK * LANES + LANES
}

fn prepare(problem: &ConvProblem, packed: &[f32], out: &mut [f32]) {
    const SQUARE: usize = LANES * LANES;
    let planes = problem.inputs * TAPS;
    for (block, packed) in packed.chunks_exact(problem.weights_per_block()).enumerate() {
        for (plane, taps) in packed.chunks_exact(TAPS * TAPS * SQUARE).enumerate() {
            for (y, along_y) in G2.iter().enumerate() {
                let mut row = [[0.0; SQUARE]; TAPS];
                for (dy, factor) in along_y.iter().enumerate() {
                    for (dx, row) in row.iter_mut().enumerate() {
                        let tap = &taps[(dy * TAPS + dx) * SQUARE..][..SQUARE];
                        for (sum, &weight) in row.iter_mut().zip(tap) {
                            *sum += factor * f64::from(weight);
                        }
                    }
                }
                for (x, [a, b, c]) in G4.iter().enumerate() {
                    let point = block * POINTS + y * PATCH[1] + x;
                    let out = &mut out[(point * planes + plane) * SQUARE..][..SQUARE];
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
    let depth = problem.inputs * TAPS;
    let [rows, columns] = grid(&problem);
    // SAFETY: `check` proved the scratch to hold the transformed inputs, the sums, and the vector
    // that alignment may cost; the remaining accesses are those explained at the callees.
    unsafe {
        let scratch = args.scratch.as_mut_ptr();
        let inputs = scratch.add(scratch.align_offset(64).min(LANES));
        let sums = inputs.add(POINTS * point_len);
        let finish = Finish::<V::Part>::new(&mut args.epilogue, problem.height, problem.width);
        for first in (0..rows * columns).step_by(CHUNK) {
            let tiles = first..(first + CHUNK).min(rows * columns);
            let corner = |tile: usize| [tile / columns * TILE[0], tile % columns * TILE[1]];
            let mut plane_at = inputs;
            for source in args.sources {
                let shape = source.shape;
                for block in 0..source.blocks {
                    for plane in source.planes {
                        // The halo's last corner, from where tiles start.
                        let plane = plane.as_ptr().add(
                            (block * shape.area() + shape.voxel(0, 0) - shape.pitch() - 1) * LANES,
                        );
                        for (i, tile) in tiles.clone().enumerate() {
                            let [row, column] = corner(tile);
                            let from = plane.add((row * shape.pitch() + column) * LANES);
                            let to = plane_at.add(i * LANES);
                            // Input rows and columns that exist, the far halo included.
                            let inside = [problem.height + 2 - row, problem.width + 2 - column];
                            if inside[0] >= PATCH[0] && inside[1] >= PATCH[1] {
                                input::<V::Part>(from, shape.pitch() * LANES, to, point_len);
                            } else {
                                let patch = clip(from, shape.pitch() * LANES, inside);
                                let from = patch.as_ptr().cast();
                                input::<V::Part>(from, PATCH[1] * LANES, to, point_len);
                            }
                        }
                        plane_at = plane_at.add(CHUNK * LANES);
                    }
                }
            }
            for block in args.blocks.clone() {
                let weights = args
                    .weights
                    .as_ptr()
                    .add(block * weights_per_block(&problem));
                for point in 0..POINTS {
                    products::<V, WIDTH>(
                        weights.add(point * depth * LANES * LANES),
                        inputs.add(point * point_len),
                        depth,
                        tiles.len(),
                        sums.add(point * CHUNK * LANES),
                    );
                }
                for (i, tile) in tiles.clone().enumerate() {
                    let at = corner(tile);
                    let bias = args.bias.as_ptr().add(block * LANES);
                    output(
                        sums.add(i * LANES),
                        bias,
                        &finish,
                        block,
                        at,
                        [
                            TILE[0].min(problem.height - at[0]),
                            TILE[1].min(problem.width - at[1]),
                        ],
                    );
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
    from: *const f32,
    pitch: usize,
    inside: [usize; 2],
) -> [[[f32; LANES]; PATCH[1]]; PATCH[0]] {
    let mut patch = [[[0.0; LANES]; PATCH[1]]; PATCH[0]];
    for (y, row) in patch.iter_mut().enumerate().take(inside[0]) {
        for (x, voxel) in row.iter_mut().enumerate().take(inside[1]) {
            // SAFETY: the caller promises that the voxel exists.
            *voxel = unsafe {
                from.add(y * pitch + x * LANES)
                    .cast::<[f32; LANES]>()
                    .read()
            };
        }
    }
    patch
}

/// `B2' d B4` for the 16 channels of one tile; point `i` goes to `to + i * point_len`.
///
/// # Safety
///
/// The processor has the instruction set of `P`; 4 rows, `pitch` elements apart, of 6 voxels may be
/// read at `from`, and 16 values be written for each point.
#[inline(always)]
unsafe fn input<P: Vector>(from: *const f32, pitch: usize, to: *mut f32, point_len: usize) {
    for lane in (0..LANES).step_by(P::LANES) {
        // SAFETY: the caller promises the patch, the points and the instruction set.
        unsafe {
            let [four, two] = [P::splat(4.0), P::splat(2.0)];
            let minus_four = P::splat(-4.0);
            for y in 0..PATCH[0] {
                let mut d = [P::splat(0.0); PATCH[1]];
                for (x, d) in d.iter_mut().enumerate() {
                    let column = from.add(x * LANES + lane);
                    let [a, b] = [[0, 2], [1, 2], [2, 1], [1, 3]][y];
                    let [a, b] = [
                        P::load(column.add(a * pitch)),
                        P::load(column.add(b * pitch)),
                    ];
                    *d = if y == 1 { a.add(b) } else { a.sub(b) };
                }
                let [d0, d1, d2, d3, d4, d5] = d;
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
                    point.store(to.add((y * PATCH[1] + x) * point_len + lane));
                }
            }
        }
    }
}

/// `sums[tile][out] = sum of inputs[plane][tile][in] * weights[plane][in][out]` at one point.
///
/// # Safety
///
/// The processor has the instruction set of `V`; `depth` planes of `CHUNK` vectors may be read at
/// `inputs` and `depth` squares at `weights`; `count <= CHUNK` vectors may be written at `sums`.
#[inline(always)]
unsafe fn products<V: Vector, const WIDTH: usize>(
    weights: *const f32,
    inputs: *const f32,
    depth: usize,
    count: usize,
    sums: *mut f32,
) {
    let mut tile = 0;
    macro_rules! step {
        ($($width:literal)*) => {
            $(if $width <= WIDTH && count - tile >= $width {
                // SAFETY: tiles up to `count` exist, says the caller.
                unsafe {
                    let row = product::<V, $width>(weights, inputs.add(tile * LANES), depth);
                    for (i, sum) in row.into_iter().enumerate() {
                        sum.store(sums.add((tile + i) * LANES));
                    }
                }
                tile += $width;
                continue;
            })*
        };
    }
    while tile < count {
        step!(24 16 12 8 6 4 3 2 1);
    }
}

/// # Safety
///
/// As for `products`, for `WIDTH` tiles.
#[inline(always)]
unsafe fn product<V: Vector, const WIDTH: usize>(
    mut weights: *const f32,
    mut inputs: *const f32,
    depth: usize,
) -> [V; WIDTH] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [V::splat(0.0); WIDTH];
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
                        _ => m1.sub(m2).sub(P::load(column.add(3 * row))),
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
