//! Quantisation of an image plane, from planar to interleaved.

use crate::contract::{GROUP, PlaneShape, QuantizeArgs};
use crate::vector::Vector;

/// Columns at a time.
const CHUNK: usize = 16;

/// # Safety
///
/// The processor has the instruction set of `V`, whose lanes divide 16; `args.check` passed.
#[inline(always)]
pub(crate) unsafe fn quantize<V: Vector>(args: &mut QuantizeArgs) {
    let [from, to] = [args.input.halo, args.out.halo].map(|halo| PlaneShape {
        height: args.height,
        width: args.width,
        halo,
    });
    let zero = args.quantisation.zero;
    // SAFETY: the caller promises the instruction set.
    let (inverse_scale, [low, high]) = unsafe {
        (
            V::splat(args.quantisation.inverse_scale),
            args.quantisation.range().map(|end| V::splat(end)),
        )
    };
    for row in 0..args.height {
        let out = &mut args.out.data[to.voxel(row, 0) * GROUP..][..args.width * GROUP];
        for (index, out) in out.chunks_mut(CHUNK * GROUP).enumerate() {
            let mut bytes = [[zero; CHUNK]; GROUP];
            for (channel, bytes) in bytes[..args.channels].iter_mut().enumerate() {
                let first = channel * from.area() + from.voxel(row, index * CHUNK);
                let input = &args.input.data[first..][..out.len() / GROUP];
                let mut values = [0.0; CHUNK];
                values[..input.len()].copy_from_slice(input);
                for lane in (0..CHUNK).step_by(V::LANES) {
                    // SAFETY: both arrays hold the vector; the caller promises the instruction set.
                    unsafe {
                        let steps = V::load(values.as_ptr().add(lane)).mul(inverse_scale);
                        let steps = steps.max(low).min(high);
                        steps.store_bytes(i32::from(zero), bytes.as_mut_ptr().add(lane));
                    }
                }
            }
            for (column, out) in out.chunks_exact_mut(GROUP).enumerate() {
                for (out, bytes) in out.iter_mut().zip(&bytes) {
                    *out = bytes[column];
                }
            }
        }
    }
}
