//! Scans in the caller's memory.

use std::ffi::c_void;

use engine::volume::{Scaling, Scan, Voxels};

use crate::failure::{Failure, INPUT, USAGE};

/// `endocast_volume`.
#[repr(C)]
pub struct Volume {
    voxels: *const c_void,
    datatype: i32,
    shape: [u64; 3],
    affine: [[f64; 4]; 3],
    slope: f64,
    intercept: f64,
}

impl Volume {
    /// A copy as the engine takes it.
    ///
    /// # Safety
    /// The voxels are null, or as many of the type as the shape says.
    pub unsafe fn scan(&self) -> Result<Scan, Failure> {
        if self.voxels.is_null() {
            return Err(Failure::null("voxels"));
        }
        let shape = self.shape.map(usize::try_from);
        let [Ok(x), Ok(y), Ok(z)] = shape else {
            return Err(Failure::new(INPUT, "the shape overflows"));
        };
        let count = x.checked_mul(y).and_then(|area| area.checked_mul(z));
        let count = count.filter(|&count| count <= isize::MAX as usize / 8);
        let count = count.ok_or(Failure::new(INPUT, "the shape overflows"))?;
        // SAFETY: `copied` reads as many voxels of each type as the caller has.
        let voxels = unsafe {
            match self.datatype {
                2 => self.copied::<u8>(count)?,
                4 => self.copied::<i16>(count)?,
                8 => self.copied::<i32>(count)?,
                16 => self.copied::<f32>(count)?,
                64 => self.copied::<f64>(count)?,
                256 => self.copied::<i8>(count)?,
                512 => self.copied::<u16>(count)?,
                768 => self.copied::<u32>(count)?,
                1024 => self.copied::<i64>(count)?,
                1280 => self.copied::<u64>(count)?,
                other => return Err(Failure::new(USAGE, format!("no datatype {other}"))),
            }
        };
        let scaling = Scaling::new(self.slope, self.intercept);
        Scan::new([x, y, z], self.affine, voxels, scaling).map_err(Failure::input)
    }

    /// # Safety
    /// There are `count` voxels of type `T`, aligned or not.
    unsafe fn copied<T: Copy>(&self, count: usize) -> Result<Voxels, Failure>
    where
        Voxels: From<Vec<T>>,
    {
        let mut voxels = Vec::new();
        let reserved = voxels.try_reserve_exact(count);
        reserved.map_err(|_| Failure::new(INPUT, "not enough memory for a copy of the scan"))?;
        // SAFETY: bytes are copied, which need no alignment, into memory reserved for as many voxels.
        unsafe {
            let from = self.voxels.cast::<u8>();
            let to: *mut T = voxels.as_mut_ptr();
            from.copy_to_nonoverlapping(to.cast(), count * size_of::<T>());
            voxels.set_len(count);
        }
        Ok(voxels.into())
    }
}
