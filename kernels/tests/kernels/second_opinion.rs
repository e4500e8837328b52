//! A convolution as one matrix product, by somebody else's code.

use endocast_kernels::contract::{ConvArgs, LANES, Order};
use endocast_kernels::cpu::Cpu;
use endocast_kernels::reference;
use endocast_kernels::registry;

use super::Test;
use super::conv::{Case, Data};
use super::guarded::Placement;
use super::numbers::Fill;
use super::output::Form;

/// Every input of every output voxel, `[row][column][dz][dy][dx][16]`.
fn patches(args: &ConvArgs) -> Vec<f32> {
    let mut patches = Vec::new();
    let [source] = args.sources else {
        panic!("one source");
    };
    for row in 0..args.problem.height {
        for column in 0..args.problem.width {
            for plane in source.planes {
                for dy in 0..3 {
                    let row = source.shape.halo + row + dy - 1;
                    let first = row * source.shape.pitch() + source.shape.halo + column - 1;
                    patches.extend_from_slice(&plane[first * LANES..][..3 * LANES]);
                }
            }
        }
    }
    patches
}

fn compare(cpu: Cpu) -> Result<(), String> {
    let case = Case::new(3, 1, 6, 22);
    let data = Data::new(&case, Fill::Random);
    let voxels = case.problem.height * case.problem.width;
    let depth = case.problem.taps() * LANES;
    let mut sums = vec![0.0; voxels * LANES];
    let (bound, _) = data.with_args(
        &case,
        2,
        [&data.weights, &[]],
        Placement::End,
        [Form::F32; 2],
        |args| {
            let patches = patches(args);
            for sums in sums.chunks_exact_mut(LANES) {
                sums.copy_from_slice(args.bias);
            }
            // SAFETY: the matrices are voxels x depth, depth x 16 and voxels x 16, row by row.
            unsafe {
                matrixmultiply::sgemm(
                    voxels,
                    depth,
                    LANES,
                    1.0,
                    patches.as_ptr(),
                    depth as isize,
                    1,
                    args.weights.as_ptr(),
                    LANES as isize,
                    1,
                    1.0,
                    sums.as_mut_ptr(),
                    LANES as isize,
                    1,
                );
            }
            [Order::Direct, Order::Winograd2x2x4]
                .map(|order| reference::conv(args, &data.weights, order).swap_remove(0))
        },
    );
    for kernel in registry::conv_kernels(cpu) {
        let [direct, winograd] = &bound;
        let own = match kernel.exactness.order {
            Order::Direct => direct,
            Order::Winograd2x2x4 => winograd,
        };
        let mut planes = data.run(&case, kernel, Placement::End, [Form::F32; 2], f32::NAN);
        let [found, _] = planes.swap_remove(0);
        let found = found.expect("raw sums").values();
        for (index, (found, sum)) in found.iter().zip(&sums).enumerate() {
            let bound = |of: &reference::Conv| {
                let magnitude = of.raw[index].magnitude;
                kernel.exactness.bound(of.roundings, magnitude)
            };
            let error = (f64::from(*found) - f64::from(*sum)).abs();
            if error.is_nan() || error > bound(own) + bound(direct) {
                return Err(format!(
                    "{}, element {index}: {found:e}, matrix product {sum:e}",
                    kernel.name
                ));
            }
        }
    }
    Ok(())
}

pub fn tests(cpu: Cpu) -> Vec<Test> {
    vec![(
        "conv::matrix_product".to_string(),
        Box::new(move || compare(cpu)),
    )]
}
