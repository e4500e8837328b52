//! Direct convolution of one output plane from `u8` and `i8` by products of tiles: 16 voxels of each of
//! four rows times 16 output channels.

use super::finish::Finish;
use super::head::head_int8;
use crate::contract::{ConvInt8Args, ConvProblem, GROUP, LANES, Source};
use crate::dot::Dot;
use crate::tiles::{ROW_BYTES, ROWS, Shapes, Tiles};
use crate::vector::Vector;

/// Rows of output voxels at a time; their sums are the first tiles.
const HEIGHT: usize = 4;
/// The tile of input voxels, which taps of several output rows share.
const INPUTS: usize = HEIGHT;
/// The tiles of the weights of taps below each other.
const WEIGHTS: [usize; 3] = [5, 6, 7];

/// The sums of one tile.
#[repr(align(64))]
struct Sums([[i32; LANES]; ROWS]);

/// `body` for those of the sums' tiles that belong to the first `height` rows.
macro_rules! for_rows {
    ($height:expr, $row:ident, $body:expr) => {
        for_rows!(@ $height, $row, $body, 0 1 2 3)
    };
    (@ $height:expr, $row:ident, $body:expr, $($literal:literal)*) => {$({
        const $row: usize = $literal;
        if $row < $height {
            $body
        }
    })*};
}

/// # Safety
///
/// The processor has the instructions of `T` and `D`, and the thread uses no tiles; `args.check` passed.
#[inline(always)]
pub(crate) unsafe fn tiled<T: Tiles, D: Dot>(args: &mut ConvInt8Args) {
    // SAFETY: the caller's promises are those of `sweep`; the problem is what picks the variant.
    unsafe {
        if args.epilogue.is_planar() {
            return head_int8::<D>(args);
        }
        match args.problem.dilation {
            1 => sweep::<T, D, true>(args),
            _ => sweep::<T, D, false>(args),
        }
    }
}

/// # Safety
///
/// As for `tiled`; `DENSE` says that the dilation is 1.
#[inline(always)]
unsafe fn sweep<T: Tiles, D: Dot, const DENSE: bool>(args: &mut ConvInt8Args) {
    let problem = args.problem;
    let per_block = problem.int8_weights_per_block();
    let voxels = problem.width.min(ROWS);
    // SAFETY: `check` proved that the output planes hold the problem's extent, and weights and
    // vectors its output blocks; tiles never reach past the width.
    unsafe {
        let mut tiles = T::configure(&shapes(&problem));
        let finish = Finish::<D::Floats>::new(&mut args.epilogue, problem.height, problem.width);
        for block in args.blocks.clone() {
            let weights = args.weights.as_ptr().add(block * per_block);
            let offset = args.offset.as_ptr().add(block * LANES);
            let scale = D::Floats::load(args.scale.as_ptr().add(block * LANES));
            let bias = D::Floats::load(args.bias.as_ptr().add(block * LANES));
            for row in (0..problem.height).step_by(HEIGHT) {
                let height = HEIGHT.min(problem.height - row);
                for column in (0..problem.width).step_by(voxels) {
                    // All tiles are as wide: the last one computes some voxels again.
                    let column = column.min(problem.width - voxels);
                    macro_rules! step {
                        ($($height:literal)*) => {$(
                            if height == $height {
                                sum::<T, $height, DENSE>(
                                    &mut tiles, args.sources, &problem, weights, offset, row, column,
                                );
                            }
                        )*};
                    }
                    step!(4 3 2 1);
                    for_rows!(height, ROW, {
                        let mut sums = Sums([[0; LANES]; ROWS]);
                        tiles.store::<ROW>(sums.0.as_mut_ptr().cast(), ROW_BYTES);
                        for (i, sum) in sums.0[..voxels].iter().enumerate() {
                            let sum = D::load(sum.as_ptr()).to_floats().mul_add(scale, bias);
                            finish.store(sum, block, row + ROW, column + i, 0);
                        }
                    });
                }
            }
        }
    }
}

/// Bytes of the input voxels of a row's taps that are multiplied at once: those of undilated taps lie
/// side by side, and their weights do too.
fn run(problem: &ConvProblem) -> usize {
    let taps = if problem.dilation == 1 {
        problem.kernel
    } else {
        1
    };
    taps * if problem.planar { GROUP } else { LANES }
}

fn shapes(problem: &ConvProblem) -> Shapes {
    let voxels = problem.width.min(ROWS);
    let sums = [voxels, ROW_BYTES];
    let inputs = [voxels, run(problem)];
    let weights = [run(problem) / GROUP, ROW_BYTES];
    Shapes::new([sums, sums, sums, sums, inputs, weights, weights, weights])
}

/// Leaves the sums of the voxels of `ROWS_LEFT` rows from (`row`, `column`) on in the first tiles.
///
/// # Safety
///
/// The processor has the instructions of `T`; `tiles` have the problem's shapes; the sources satisfy
/// `ConvInt8Args::check` for a problem that contains the voxels; `weights` starts a whole output block,
/// `offset` its 16 values.
#[inline(always)]
unsafe fn sum<T: Tiles, const COUNT: usize, const DENSE: bool>(
    tiles: &mut T,
    sources: &[Source<u8>],
    problem: &ConvProblem,
    mut weights: *const i8,
    offset: *const i32,
    row: usize,
    column: usize,
) {
    let ConvProblem { kernel, stride, .. } = *problem;
    let dilation = if DENSE { 1 } else { problem.dilation };
    let lanes = if problem.planar { GROUP } else { LANES };
    let (run, reach) = (run(problem), kernel / 2);
    // Weights of the taps of one row.
    let taps = kernel * lanes * LANES;
    // SAFETY: rows and columns up to `reach * dilation` outside the interior are halo, which `check`
    // proved to be inside the plane; a step of 0 makes every row the same.
    unsafe {
        for_rows!(COUNT, ROW, tiles.load::<ROW>(offset.cast(), 0));
        for source in sources {
            let shape = source.shape;
            let blocks = if problem.planar { 1 } else { source.blocks };
            let corner = (shape.voxel(row * stride, column * stride)
                - reach * dilation * (shape.pitch() + 1))
                * lanes;
            for block in 0..blocks {
                let corner = corner + block * shape.area() * lanes;
                for plane in &source.planes[1 - reach..=1 + reach] {
                    for across in (0..kernel * lanes).step_by(run) {
                        let weights = weights.add(across * LANES);
                        tiles.load::<{ WEIGHTS[0] }>(weights.cast(), ROW_BYTES);
                        if kernel == 3 {
                            tiles.load::<{ WEIGHTS[1] }>(weights.add(taps).cast(), ROW_BYTES);
                            tiles.load::<{ WEIGHTS[2] }>(weights.add(2 * taps).cast(), ROW_BYTES);
                        }
                        let corner = plane.as_ptr().add(corner + across * dilation);
                        for line in 0..=(COUNT - 1) * stride + (kernel - 1) * dilation {
                            // The tap of output row `ROW` that lies on this line.
                            let tap = |row: usize| match line.checked_sub(row * stride) {
                                Some(below) if below % dilation == 0 => below / dilation,
                                _ => kernel,
                            };
                            if !DENSE && (0..COUNT).all(|row| tap(row) >= kernel) {
                                continue;
                            }
                            let from = corner.add(line * shape.pitch() * lanes);
                            tiles.load::<INPUTS>(from, stride * lanes);
                            for_rows!(
                                COUNT,
                                ROW,
                                match tap(ROW) {
                                    0 => tiles.accumulate::<ROW, INPUTS, { WEIGHTS[0] }>(),
                                    1 if kernel == 3 =>
                                        tiles.accumulate::<ROW, INPUTS, { WEIGHTS[1] }>(),
                                    2 if kernel == 3 =>
                                        tiles.accumulate::<ROW, INPUTS, { WEIGHTS[2] }>(),
                                    _ => {}
                                }
                            );
                        }
                    }
                    weights = weights.add(kernel * taps);
                }
            }
        }
    }
}
