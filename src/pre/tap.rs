//! Linear interpolation between neighbouring voxels.

/// Where one position along an axis lies between two voxels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    /// The voxel at or before the position.
    pub first: usize,
    /// The next voxel, or the same at the end of the axis.
    pub second: usize,
    /// Weights of the two; both 0 for a position that is outside.
    pub weights: [f32; 2],
}

impl Tap {
    /// A position without voxels.
    pub const OUTSIDE: Tap = Tap {
        first: 0,
        second: 0,
        weights: [0.0; 2],
    };

    /// `position` in voxels on an axis of `length` voxels; [`Tap::OUTSIDE`] beyond the outer faces
    /// of the first and the last.
    #[inline]
    pub fn new(position: f64, length: usize) -> Tap {
        let last = (length - 1) as f64;
        if !(-0.5..=last + 0.5).contains(&position) {
            return Tap::OUTSIDE;
        }
        let position = position.clamp(0.0, last);
        let first = position as usize;
        let t = (position - first as f64) as f32;
        Tap {
            first,
            second: (first + 1).min(length - 1),
            weights: [1.0 - t, t],
        }
    }

    /// Whether the position has no voxels.
    #[inline]
    pub fn is_outside(&self) -> bool {
        self.weights == [0.0; 2]
    }

    /// The interpolated value between those of the two voxels.
    #[inline]
    pub fn mean(&self, first: f32, second: f32) -> f32 {
        self.weights[0] * first + self.weights[1] * second
    }
}

/// Interpolates between the eight voxels that three taps name.
#[inline]
pub(crate) fn trilinear(taps: [Tap; 3], value: impl Fn(usize, usize, usize) -> f32) -> f32 {
    let [x, y, z] = taps;
    let mut plane = [0.0; 2];
    for (plane, k) in plane.iter_mut().zip([z.first, z.second]) {
        *plane = y.mean(
            x.mean(value(x.first, y.first, k), value(x.second, y.first, k)),
            x.mean(value(x.first, y.second, k), value(x.second, y.second, k)),
        );
    }
    z.mean(plane[0], plane[1])
}
