//! A borrowed image of any voxel type.

use ndarray::{ArrayView3, ShapeBuilder};

use super::Error;

/// One voxel type.
pub trait Voxel: Copy + Default + Send + Sync {
    /// The value; 64-bit integers round to 53 bits.
    fn to_f64(self) -> f64;
}

macro_rules! voxel {
    ($($type:ident)*) => { $(impl Voxel for $type {
        fn to_f64(self) -> f64 {
            self as f64
        }
    })* };
}

voxel!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);

/// Voxels in the type of their file, first axis fastest, and the line that scales them.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a, T> {
    voxels: ArrayView3<'a, T>,
    flat: &'a [T],
    slope: f64,
    intercept: f64,
}

impl<'a, T: Voxel> Image<'a, T> {
    /// `voxels` fill `shape`, first axis fastest; the image is `slope * voxel + intercept`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the slice does not fill the shape or an axis is empty.
    pub fn new(
        voxels: &'a [T],
        shape: [usize; 3],
        slope: f64,
        intercept: f64,
    ) -> Result<Image<'a, T>, Error> {
        let found = voxels.len();
        let view = ArrayView3::from_shape(shape.f(), voxels);
        match view {
            Ok(view) if view.len() == found && found > 0 => Ok(Image {
                voxels: view,
                flat: voxels,
                slope,
                intercept,
            }),
            _ => Err(Error::Shape { shape, found }),
        }
    }

    /// Voxels along each axis.
    pub fn shape(&self) -> [usize; 3] {
        self.voxels.dim().into()
    }

    /// The stored voxels, before scaling.
    pub(crate) fn voxels(&self) -> ArrayView3<'a, T> {
        self.voxels
    }

    /// The stored voxels in memory order.
    pub(crate) fn flat(&self) -> &'a [T] {
        self.flat
    }

    /// The value of a stored voxel; values that are not finite count as 0.
    pub(crate) fn value(&self, voxel: T) -> f64 {
        let value = self.slope * voxel.to_f64() + self.intercept;
        if value.is_finite() { value } else { 0.0 }
    }
}
