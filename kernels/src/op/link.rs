//! The link function of one plane: plain loops, which the compiler turns into vector code for the
//! instruction set of the entry point.

use crate::contract::{Link, LinkArgs, PlaneShape};
use crate::exponential::exp;

/// Columns at a time.
const CHUNK: usize = 64;

/// # Safety
///
/// None of its own; entry points call it as they call the bodies that rely on `args.check`.
#[inline(always)]
pub(crate) unsafe fn link(args: &mut LinkArgs) {
    let [from, to] = [args.input.halo, args.out.halo].map(|halo| PlaneShape {
        height: args.height,
        width: args.width,
        halo,
    });
    for row in 0..args.height {
        for column in (0..args.width).step_by(CHUNK) {
            let count = CHUNK.min(args.width - column);
            let out = &mut args.out.data[to.voxel(row, column)..];
            for channel in 0..args.channels {
                let block = channel / args.lanes * from.area() + from.voxel(row, column);
                let values = &args.input.data[block * args.lanes + channel % args.lanes..];
                let out = &mut out[channel * to.area()..][..count];
                if args.lanes == 1 {
                    out.copy_from_slice(&values[..count]);
                } else {
                    for (out, value) in out.iter_mut().zip(values.iter().step_by(args.lanes)) {
                        *out = *value;
                    }
                }
            }
            match args.link {
                Link::Identity => {}
                Link::Sigmoid => sigmoid(out, to.area(), args.channels, count),
                Link::Softmax => softmax(out, to.area(), args.channels, count),
            }
        }
    }
}

/// `count` voxels from the first one on; a channel begins `area` values after the one before.
#[inline(always)]
fn sigmoid(voxels: &mut [f32], area: usize, channels: usize, count: usize) {
    for channel in 0..channels {
        for value in &mut voxels[channel * area..][..count] {
            *value = 1.0 / (1.0 + exp(-*value));
        }
    }
}

/// The same, `count` being at most [`CHUNK`].
#[inline(always)]
fn softmax(voxels: &mut [f32], area: usize, channels: usize, count: usize) {
    let mut highest = [f32::MIN; CHUNK];
    for channel in 0..channels {
        let values = &voxels[channel * area..][..count];
        for (highest, &value) in highest.iter_mut().zip(values) {
            *highest = highest.max(value);
        }
    }
    let mut sums = [0.0; CHUNK];
    for channel in 0..channels {
        let values = voxels[channel * area..][..count].iter_mut();
        for (value, (sum, &highest)) in values.zip(sums.iter_mut().zip(&highest)) {
            *value = exp(*value - highest);
            *sum += *value;
        }
    }
    for channel in 0..channels {
        let values = &mut voxels[channel * area..][..count];
        for (value, &sum) in values.iter_mut().zip(&sums) {
            *value /= sum;
        }
    }
}
