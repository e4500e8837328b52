//! What happens to sums and results before and when they are stored.

use super::View;
use crate::contract::{Epilogue, LANES, Store};
use crate::vector::Vector;

/// Where results go, and as what.
pub(crate) enum Target<V> {
    F32(View<*mut f32>),
    U8 {
        view: View<*mut u8>,
        inverse_scale: V,
        range: [V; 2],
        zero: i32,
    },
}

impl<V: Vector> Target<V> {
    /// # Safety
    ///
    /// The processor has the instruction set of `V`; the plane holds `height` x `width` voxels.
    #[inline(always)]
    pub(crate) unsafe fn new(store: &mut Store, height: usize, width: usize) -> Self {
        // SAFETY: passed on from the caller.
        unsafe {
            match store {
                Store::F32(plane) => Target::F32(View::new_mut(plane, height, width)),
                Store::U8(plane, quantisation) => Target::U8 {
                    view: View::new_mut(plane, height, width),
                    inverse_scale: V::splat(quantisation.inverse_scale),
                    range: quantisation.range().map(|end| V::splat(end)),
                    zero: i32::from(quantisation.zero),
                },
                Store::Planar(..) => unreachable!("`check` leaves it to `head.rs`"),
            }
        }
    }

    /// Stores the values of one voxel from channel `lane` of the block on.
    ///
    /// # Safety
    ///
    /// As for `new`, and the voxel exists.
    #[inline(always)]
    pub(crate) unsafe fn store(
        &self,
        value: V,
        block: usize,
        row: usize,
        column: usize,
        lane: usize,
    ) {
        // SAFETY: the plane that `new` was given contains the voxel.
        unsafe {
            match self {
                Target::F32(view) => value.store(view.at(block, row, column).add(lane)),
                Target::U8 {
                    view,
                    inverse_scale,
                    range: [low, high],
                    zero,
                } => {
                    let steps = value.mul(*inverse_scale).max(*low).min(*high);
                    steps.store_bytes(*zero, view.at(block, row, column).add(lane));
                }
            }
        }
    }
}

/// Where the sums of a tile go.
pub(crate) struct Finish<V> {
    residual: Option<View<*const f32>>,
    slope: V,
    raw: Option<Target<V>>,
    activated: Option<Affine<V>>,
}

struct Affine<V> {
    scale: *const f32,
    shift: *const f32,
    slope: V,
    out: Target<V>,
}

impl<V: Vector> Finish<V> {
    /// # Safety
    ///
    /// The processor has the instruction set of `V`; the planes hold `height` x `width` voxels.
    #[inline(always)]
    pub(crate) unsafe fn new(epilogue: &mut Epilogue, height: usize, width: usize) -> Self {
        // SAFETY: passed on from the caller.
        unsafe {
            Finish {
                residual: (epilogue.residual.as_ref()).map(|plane| View::new(plane, height, width)),
                slope: V::splat(epilogue.slope),
                raw: (epilogue.raw.as_mut()).map(|store| Target::new(store, height, width)),
                activated: epilogue.activated.as_mut().map(|activated| Affine {
                    scale: activated.scale.as_ptr(),
                    shift: activated.shift.as_ptr(),
                    slope: V::splat(activated.slope),
                    out: Target::new(&mut activated.out, height, width),
                }),
            }
        }
    }

    /// Finishes and stores the sums, bias included, of one voxel from channel `lane` of the block on.
    ///
    /// # Safety
    ///
    /// As for `new`, and the voxel exists.
    #[inline(always)]
    pub(crate) unsafe fn store(
        &self,
        sum: V,
        block: usize,
        row: usize,
        column: usize,
        lane: usize,
    ) {
        // SAFETY: the planes that `new` was given contain the voxel.
        unsafe {
            let mut value = sum;
            if let Some(residual) = &self.residual {
                value = value.add(V::load(residual.at(block, row, column).add(lane)));
            }
            value = value.leaky(self.slope);
            if let Some(raw) = &self.raw {
                raw.store(value, block, row, column, lane);
            }
            if let Some(affine) = &self.activated {
                let scale = V::load(affine.scale.add(block * LANES + lane));
                let shift = V::load(affine.shift.add(block * LANES + lane));
                let value = value.mul_add(scale, shift).leaky(affine.slope);
                affine.out.store(value, block, row, column, lane);
            }
        }
    }
}
